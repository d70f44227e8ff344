using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// Reads the XML files beside the libraries, from which an editor shows the documentation of members. Text that a member inherits
/// with <c>inheritdoc</c> counts as its own.
/// </summary>
internal sealed class XmlDocumentation
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The assemblies of the packages.</summary>
    public static readonly Assembly[] Libraries = [typeof(Embedding).Assembly, typeof(WordVectors).Assembly];

    private readonly Dictionary<string, XElement> _members = Libraries
        .SelectMany(library => XDocument.Load(Path.ChangeExtension(library.Location, ".xml")).Descendants("member"))
        .DistinctBy(member => member.Attribute("name")!.Value) // code generated for regular expressions has the same names in both
        .ToDictionary(member => member.Attribute("name")!.Value);

    /// <summary>Their public types.</summary>
    public static IEnumerable<Type> ExportedTypes => Libraries.SelectMany(library => library.GetExportedTypes());

    /// <summary>The public types and their members that other assemblies see, without those that the compiler makes.</summary>
    public IEnumerable<MemberInfo> VisibleMembers() =>
        from type in ExportedTypes
        from member in type.GetMembers(Declared).Where(IsVisible).Prepend(type)
        select member;

    /// <summary>The elements of one kind that a member has or inherits. There are none if the member is not documented.</summary>
    public IEnumerable<XElement> Elements(MemberInfo member, string kind) => Elements(Id(member), kind);

    /// <summary>The text of the summary, or of the element of that kind and name.</summary>
    public string Text(MemberInfo member, string kind, string? name = null) =>
        string.Join(' ', Elements(member, kind).Where(element => name is null || element.Attribute("name")?.Value == name)
            .Select(element => string.Concat(element.Nodes())));

    private IEnumerable<XElement> Elements(string id, string kind)
    {
        if (!_members.TryGetValue(id, out XElement? member)) return [];
        IEnumerable<XElement> inherited =
            from element in member.Elements("inheritdoc")
            from other in Elements(element.Attribute("cref")?.Value ?? "", kind)
            select other;
        return member.Elements(kind).Concat(inherited);
    }

    private static bool IsVisible(MemberInfo member)
    {
        if (member.IsDefined(typeof(CompilerGeneratedAttribute))) return false;
        return member switch
        {
            // The compiler's own constructor has no parameters and no documentation.
            ConstructorInfo constructor => IsVisible(constructor) && constructor.GetParameters().Length > 0,
            MethodInfo method => IsVisible(method) && (!method.IsSpecialName || method.Name.StartsWith("op_")), // not accessors
            PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
            EventInfo @event => IsVisible(@event.AddMethod!),
            FieldInfo field => (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) && !field.IsSpecialName,
            _ => false, // nested types are among the exported types
        };
    }

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    /// <summary>The name that the compiler gives a member in the file.</summary>
    public static string Id(MemberInfo member)
    {
        string owner = member.DeclaringType is { } type ? Name(type) : "";
        return member switch
        {
            Type t => $"T:{Name(t)}",
            ConstructorInfo c => $"M:{owner}.#ctor{Parameters(c)}",
            MethodInfo m => $"M:{owner}.{m.Name}{(m.IsGenericMethod ? $"``{m.GetGenericArguments().Length}" : "")}{Parameters(m)}",
            PropertyInfo p => $"P:{owner}.{p.Name}",
            EventInfo e => $"E:{owner}.{e.Name}",
            FieldInfo f => $"F:{owner}.{f.Name}",
            _ => throw new NotSupportedException($"{member}"),
        };
    }

    private static string Parameters(MethodBase method)
    {
        ParameterInfo[] parameters = method.GetParameters();
        return parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(parameter => Name(parameter.ParameterType)))})";
    }

    private static string Name(Type type)
    {
        if (type.IsByRef) return $"{Name(type.GetElementType()!)}@";
        if (type.IsGenericMethodParameter) return $"``{type.GenericParameterPosition}";
        if (type.IsGenericTypeParameter) return $"`{type.GenericParameterPosition}";
        if (type.IsSZArray) return $"{Name(type.GetElementType()!)}[]";
        if (type.IsArray)
            return $"{Name(type.GetElementType()!)}[{string.Join(',', Enumerable.Repeat("0:", type.GetArrayRank()))}]";
        if (type.IsConstructedGenericType)
        {
            string definition = Name(type.GetGenericTypeDefinition());
            return $"{definition[..definition.LastIndexOf('`')]}{{{string.Join(',', type.GetGenericArguments().Select(Name))}}}";
        }
        return type.FullName!.Replace('+', '.');
    }
}
