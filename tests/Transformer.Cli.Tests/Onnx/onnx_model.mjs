// Writes ONNX models by hand: the messages of onnx.proto that small graphs need.
// Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

/** ONNX element types by name. */
export const ElementType = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, double: 11 };

const attributeType = { FLOAT: 1, INT: 2, STRING: 3 };

/**
 * A model of one node.
 * @param {string} op operator of ai.onnx
 * @param {number} opset version of ai.onnx
 * @param {Record<string, number|string|{float: number}>} attributes whole numbers are INT;
 *   {float: x} is FLOAT, text is STRING
 * @param {({name: string, type: number, rank: number}|null)[]} inputs null: left out
 * @param {({name: string, type: number}|null)[]} outputs null: left out
 * @returns {Uint8Array} the file's bytes
 */
export function oneNodeModel(op, opset, attributes, inputs, outputs) {
  return graphModel({
    opsets: { '': opset },
    nodes: [{
      op, attributes, inputs: inputs.map((x) => x?.name ?? ''),
      outputs: outputs.map((x) => x?.name ?? ''),
    }],
    inputs: inputs.filter(Boolean),
    outputs: outputs.filter(Boolean),
  });
}

/**
 * A model of any nodes.
 * @param {object} graph
 * @param {Record<string, number>} graph.opsets version of each domain; '' is ai.onnx
 * @param {{op: string, domain?: string, attributes?: object, inputs: string[],
 *   outputs: string[]}[]} graph.nodes in the order of their work; attributes as above, '' for an
 *   input or output that is left out
 * @param {{name: string, type: number, rank: number}[]} graph.inputs
 * @param {{name: string, type: number}[]} graph.outputs
 * @param {Record<string, {type: string, dims: number[], data: ArrayBufferView}>}
 *   [graph.constants] tensors that the model holds
 * @returns {Uint8Array} the file's bytes
 */
export function graphModel({ opsets, nodes, inputs, outputs, constants = {} }) {
  const graph = message(
    ...nodes.map((x) => bytes(1, node(x))),
    text(2, 'graph'),
    ...Object.entries(constants).map(([name, x]) => bytes(5, tensor(name, x))),
    ...inputs.map((x) => bytes(11, value(x.name, x.type, x.rank))),
    ...outputs.map((x) => bytes(12, value(x.name, x.type, null))),
  );
  const imported = Object.entries(opsets).map(([domain, version]) =>
    bytes(8, message(text(1, domain), integer(2, version))));
  return message(integer(1, 10), bytes(7, graph), ...imported);
}

function node({ op, domain = '', attributes = {}, inputs, outputs }) {
  return message(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, x]) => bytes(5, attribute(name, x))),
    text(7, domain),
  );
}

function tensor(name, { type, dims, data }) {
  return message(
    ...dims.map((size) => integer(1, size)),
    integer(2, ElementType[type]),
    text(8, name),
    bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  );
}

function attribute(name, value) {
  if (typeof value === 'string') {
    return message(text(1, name), text(4, value), integer(20, attributeType.STRING));
  }
  if (typeof value === 'object') {
    return message(text(1, name), float(2, value.float), integer(20, attributeType.FLOAT));
  }
  return message(text(1, name), integer(3, value), integer(20, attributeType.INT));
}

// Every axis has a name of its own: its size comes with the data.
function value(name, type, rank) {
  const axes = rank === null ? [] : Array.from({ length: rank }, (_, i) =>
    bytes(1, message(text(2, `${name}_${i}`))));
  const shape = rank === null ? [] : [bytes(2, message(...axes))];
  return message(text(1, name), bytes(2, message(bytes(1, message(integer(1, type), ...shape)))));
}

function message(...parts) {
  return new Uint8Array(Buffer.concat(parts));
}

function varint(number) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(number));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Buffer.from(out);
}

function integer(field, number) {
  return Buffer.concat([varint(field << 3), varint(number)]);
}

function float(field, number) {
  const data = Buffer.alloc(4);
  data.writeFloatLE(number);
  return Buffer.concat([varint((field << 3) | 5), data]);
}

function bytes(field, data) {
  return Buffer.concat([varint((field << 3) | 2), varint(data.length), data]);
}

function text(field, string) {
  return bytes(field, Buffer.from(string, 'utf8'));
}
