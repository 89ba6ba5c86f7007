using System.Reflection;
using System.Reflection.Emit;

namespace Transformer.Models.Tests;

/// <summary>Which types of this project a type mentions, in signatures and in method bodies.
/// </summary>
internal static class TypeReferences
{
    private const BindingFlags Everything = BindingFlags.Public | BindingFlags.NonPublic |
        BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<ushort, OpCode> OpCodesByValue =
        typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => (OpCode)field.GetValue(null)!)
            .ToDictionary(code => (ushort)code.Value);

    /// <summary>Every mention; nested types count as the one that holds them.</summary>
    public static IEnumerable<(Type From, Type To)> Of(Assembly assembly) =>
        from type in assembly.GetTypes()
        where IsOurs(type)
        from mentioned in Mentions(type).SelectMany(Parts)
        where IsOurs(mentioned)
        let pair = (From: Outermost(type), To: Outermost(mentioned))
        where pair.From != pair.To
        select pair;

    private static bool IsOurs(Type type) =>
        type.Namespace?.StartsWith("Transformer.", StringComparison.Ordinal) == true;

    private static Type Outermost(Type type)
    {
        while (type.DeclaringType is { } outer) type = outer;
        return type;
    }

    private static IEnumerable<Type> Parts(Type type)
    {
        while (type.HasElementType) type = type.GetElementType()!;
        if (type.IsGenericParameter) return type.GetGenericParameterConstraints();
        if (!type.IsGenericType) return [type];
        return type.GetGenericArguments().Where(a => !a.IsGenericParameter).SelectMany(Parts)
            .Append(type.GetGenericTypeDefinition());
    }

    private static IEnumerable<Type> Mentions(Type type) =>
    [
        .. type.BaseType is { } parent ? [parent] : Type.EmptyTypes,
        .. type.GetInterfaces(),
        .. type.GetFields(Everything).Select(field => field.FieldType),
        .. type.GetProperties(Everything).Select(property => property.PropertyType),
        .. type.GetMembers(Everything).OfType<MethodBase>().SelectMany(Mentions),
    ];

    private static IEnumerable<Type> Mentions(MethodBase method)
    {
        foreach (ParameterInfo parameter in method.GetParameters())
        {
            yield return parameter.ParameterType;
        }

        if (method is MethodInfo { ReturnType: { } returned }) yield return returned;
        if (method.GetMethodBody() is not { } body) yield break;
        foreach (LocalVariableInfo local in body.LocalVariables) yield return local.LocalType;
        foreach (Type type in Operands(method, body.GetILAsByteArray()!)) yield return type;
    }

    private static IEnumerable<Type> Operands(MethodBase method, byte[] code)
    {
        Type[] ofType = method.DeclaringType!.GetGenericArguments();
        Type[] ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : [];
        for (int i = 0; i < code.Length;)
        {
            ushort value = code[i++];
            if (value == 0xFE) value = (ushort)((value << 8) | code[i++]);
            OperandType operand = OpCodesByValue[value].OperandType;
            if (operand is OperandType.InlineMethod or OperandType.InlineField or
                OperandType.InlineType or OperandType.InlineTok)
            {
                MemberInfo member = method.Module.ResolveMember(
                    BitConverter.ToInt32(code, i), ofType, ofMethod)!;
                if (member.DeclaringType is { } owner) yield return owner;
                if (member is Type type) yield return type;
                if (member is MethodInfo { IsGenericMethod: true } generic)
                {
                    foreach (Type argument in generic.GetGenericArguments()) yield return argument;
                }
            }

            i += OperandBytes(operand, code, i);
        }
    }

    private static int OperandBytes(OperandType operand, byte[] code, int at) => operand switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar =>
            1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
        _ => 4,
    };
}
