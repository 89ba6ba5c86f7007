using System.Reflection;
using BenchmarkDotNet.Attributes;
using Transformer.Benchmarks.Peers;

namespace Transformer.Benchmarks;

/// <summary>Runs every benchmark once in this process, and the library as a peer: proves that all
/// of them start.</summary>
public static class Smoke
{
    public static int Run()
    {
        IEnumerable<Type> types = typeof(Smoke).Assembly.GetExportedTypes()
            .Where(type => Methods<BenchmarkAttribute>(type).Any());
        foreach (Type type in types)
        {
            object instance = Activator.CreateInstance(type)!;
            foreach (PropertyInfo property in type.GetProperties())
            {
                // The first value is the smallest.
                if (property.GetCustomAttribute<ParamsAttribute>() is { } parameters)
                {
                    property.SetValue(instance, parameters.Values[0]);
                }
            }

            foreach (MethodInfo setup in Methods<GlobalSetupAttribute>(type))
            {
                setup.Invoke(instance, null);
            }

            foreach (MethodInfo benchmark in Methods<BenchmarkAttribute>(type))
            {
                benchmark.Invoke(instance, null);
                Console.WriteLine($"{type.Name}.{benchmark.Name}: ran");
            }
        }

        PeerSmoke.Run();
        return 0;
    }

    private static IEnumerable<MethodInfo> Methods<TAttribute>(Type type)
        where TAttribute : Attribute =>
        type.GetMethods().Where(m => m.GetCustomAttribute<TAttribute>() is not null);
}
