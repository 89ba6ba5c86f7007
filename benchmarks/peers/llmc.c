// llm.c as a peer: training steps of GPT-2 by train_gpt2.c of github.com/karpathy/llm.c, which is
// included as it stands. Built by peers.mjs with that folder on the include path; the number of
// threads is OMP_NUM_THREADS.
#define TESTING // leaves its main out
#include "train_gpt2.c"

enum { LINE = 4096, PATH_BYTES = 2 * LINE };

static FILE *answers; // what train_gpt2.c prints goes to standard error
static GPT2 model;
static int *ids, *labels, batch, length, step;
static float first_loss;

static void release(void) {
  if (model.params_memory) gpt2_free(&model);
  free(ids);
  free(labels);
  ids = labels = NULL;
  memset(&model, 0, sizeof(model));
}

// case.json is written without spaces; exits where it lacks the number.
static int size_of(const char *json, const char *name) {
  char quoted[64];
  snprintf(quoted, sizeof(quoted), "\"%s\":", name);
  const char *found = strstr(json, quoted);
  if (!found) {
    fprintf(stderr, "case.json has no %s\n", name);
    exit(1);
  }
  return atoi(found + strlen(quoted));
}

static void read_input(const char *folder, const char *name, float *to, size_t count) {
  char path[PATH_BYTES];
  snprintf(path, sizeof(path), "%s/%s.f32", folder, name);
  FILE *file = fopenCheck(path, "rb");
  freadCheck(to, sizeof(float), count, file);
  fcloseCheck(file);
}

static void read_layers(const char *folder, const char *name, float *to, size_t count) {
  for (int layer = 0; layer < model.config.num_layers; layer++) {
    char path[LINE];
    snprintf(path, sizeof(path), "h.%d.%s", layer, name);
    read_input(folder, path, to + layer * count, count);
  }
}

// The file's matrices are [in, out], llm.c's [out, in].
static void read_matrices(const char *folder, const char *name, float *to, size_t in, size_t out) {
  float *matrix = mallocCheck(in * out * sizeof(float));
  for (int layer = 0; layer < model.config.num_layers; layer++) {
    char path[LINE];
    snprintf(path, sizeof(path), "h.%d.%s", layer, name);
    read_input(folder, path, matrix, in * out);
    for (size_t i = 0; i < in; i++)
      for (size_t o = 0; o < out; o++) to[(layer * out + o) * in + i] = matrix[i * out + o];
  }
  free(matrix);
}

static void read_model(const char *folder, const char *json) {
  GPT2Config *config = &model.config;
  size_t width = config->channels = size_of(json, "width");
  config->num_layers = size_of(json, "layers");
  config->num_heads = size_of(json, "heads");
  config->vocab_size = size_of(json, "vocabulary");
  config->padded_vocab_size = (config->vocab_size + 127) / 128 * 128;
  config->max_seq_len = size_of(json, "positions");
  fill_in_parameter_sizes(model.param_sizes, *config);
  for (int i = 0; i < NUM_PARAMETER_TENSORS; i++) model.num_parameters += model.param_sizes[i];
  model.params_memory = malloc_and_point_parameters(&model.params, model.param_sizes);
  ParameterTensors *to = &model.params;
  memset(to->wte, 0, model.param_sizes[0] * sizeof(float));
  read_input(folder, "wte.weight", to->wte, config->vocab_size * width);
  read_input(folder, "wpe.weight", to->wpe, config->max_seq_len * width);
  read_layers(folder, "ln_1.weight", to->ln1w, width);
  read_layers(folder, "ln_1.bias", to->ln1b, width);
  read_matrices(folder, "attn.c_attn.weight", to->qkvw, width, 3 * width);
  read_layers(folder, "attn.c_attn.bias", to->qkvb, 3 * width);
  read_matrices(folder, "attn.c_proj.weight", to->attprojw, width, width);
  read_layers(folder, "attn.c_proj.bias", to->attprojb, width);
  read_layers(folder, "ln_2.weight", to->ln2w, width);
  read_layers(folder, "ln_2.bias", to->ln2b, width);
  read_matrices(folder, "mlp.c_fc.weight", to->fcw, width, 4 * width);
  read_layers(folder, "mlp.c_fc.bias", to->fcb, 4 * width);
  read_matrices(folder, "mlp.c_proj.weight", to->fcprojw, 4 * width, width);
  read_layers(folder, "mlp.c_proj.bias", to->fcprojb, width);
  read_input(folder, "ln_f.weight", to->lnfw, width);
  read_input(folder, "ln_f.bias", to->lnfb, width);
}

static int *read_whole(const char *folder, const char *name, size_t count) {
  float *numbers = mallocCheck(count * sizeof(float));
  int *whole = mallocCheck(count * sizeof(int));
  read_input(folder, name, numbers, count);
  for (size_t i = 0; i < count; i++) whole[i] = (int)numbers[i];
  free(numbers);
  return whole;
}

static void prepare(const char *folder) {
  release();
  char path[PATH_BYTES], json[1 << 16];
  snprintf(path, sizeof(path), "%s/case.json", folder);
  FILE *file = fopenCheck(path, "rb");
  json[fread(json, 1, sizeof(json) - 1, file)] = 0;
  fcloseCheck(file);
  if (!strstr(json, "\"op\":\"gpt-train\"")) {
    fprintf(answers, "cannot train_gpt2.c has only training\n");
    return;
  }
  batch = size_of(json, "batch");
  length = size_of(json, "tokens");
  read_model(folder, json);
  ids = read_whole(folder, "ids", batch * length);
  labels = read_whole(folder, "labels", batch * length);
  step = 0;
  gpt2_forward(&model, ids, labels, batch, length);
  first_loss = model.mean_loss;
  fprintf(answers, "ok [\"train_gpt2.c\"]\n");
}

// Forward, backward, AdamW; it has no clipping.
static double step_ms(void) {
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  gpt2_forward(&model, ids, labels, batch, length);
  gpt2_zero_grad(&model);
  gpt2_backward(&model);
  gpt2_update(&model, 1e-3f, 0.9f, 0.99f, 1e-8f, 0.1f, ++step);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return 1e3 * (end.tv_sec - start.tv_sec) + 1e-6 * (end.tv_nsec - start.tv_nsec);
}

static void run(int calls) {
  fprintf(answers, "ok [");
  for (int i = 0; i < calls; i++) fprintf(answers, i ? ",%.4f" : "%.4f", step_ms());
  fprintf(answers, "]\n");
}

static void write_outputs(const char *folder) {
  char path[PATH_BYTES];
  snprintf(path, sizeof(path), "%s/loss.f32", folder);
  FILE *file = fopenCheck(path, "wb");
  fwrite(&first_loss, sizeof(float), 1, file);
  fcloseCheck(file);
  fprintf(answers, "ok []\n");
}

int main(void) {
  answers = fdopen(dup(STDOUT_FILENO), "w");
  dup2(STDERR_FILENO, STDOUT_FILENO);
  char line[LINE];
  while (fgets(line, sizeof(line), stdin)) {
    char *word = strtok(line, "\t\n"), *second = strtok(NULL, "\t\n");
    char *third = strtok(NULL, "\t\n");
    if (word && !strcmp(word, "hello"))
      fprintf(answers, "ok {\"peer\": \"llm.c\", \"versions\": {\"llm.c\": \"" LLMC_VERSION
                       "\", \"compiler\": \"" __VERSION__ "\"}}\n");
    else if (word && second && !strcmp(word, "prepare")) prepare(second);
    else if (word && third && !strcmp(word, "run") && model.params_memory) run(atoi(third));
    else if (word && third && !strcmp(word, "write") && model.params_memory) write_outputs(third);
    else if (word && !strcmp(word, "release")) {
      release();
      fprintf(answers, "ok []\n");
    } else fprintf(answers, "error no such request, or nothing prepared\n");
    fflush(answers);
  }
  return 0;
}
