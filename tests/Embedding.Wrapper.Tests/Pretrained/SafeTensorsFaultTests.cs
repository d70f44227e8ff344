using System.Text;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Pretrained.SafeTensorsFileTests;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Damaged and hostile safetensors files are refused, and the error names the fault and its place.</summary>
public class SafeTensorsFaultTests
{
    private const string Eight = """{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""";

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,¶-8]}}""", "data_offsets of 'a' holds a negative number: -8.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[¶-2],"data_offsets":[0,8]}}""", "the shape of 'a' holds a negative number: -2.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0¶]}}""", "data_offsets of 'a' are [8, 0], not a start and an end.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0¶]}}""", "data_offsets of 'a' are [0], not a start and an end.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8¶]}}""", "data_offsets of 'a' are [0, 4, 8], not a start and an end.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]¶}}""", "'a' needs 12 bytes, and data_offsets give it 8.")]
    [InlineData("""{¶"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "'a' ends at byte 16 of the data, and there are 8.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},¶"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""",
        "'b' starts at byte 0 of the data, within the tensor before it.")]
    [InlineData("""{¶"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "4 bytes before 'a' belong to no tensor.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},¶"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}""",
        "2 bytes before 'b' belong to no tensor.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,8]¶}}""",
        "the shape of 'a' is absurd: F32 of [9223372036854775807, 9223372036854775807].")]
    [InlineData("""{"a":{"dtype":"F32","shape":[¶9223372036854775808],"data_offsets":[0,8]}}""",
        "the shape of 'a' holds something that is not a whole number below 2^63.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,0],"data_offsets":[0,0]¶}}""", "the shape of 'a' is absurd")]
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,8]¶}}""", "the shape of 'a' is absurd: F4 of [3].")]
    [InlineData("""{"a":{"dtype":"F32","shape":[¶2.0],"data_offsets":[0,8]}}""", "the shape of 'a' holds something that is not a whole number below 2^63.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[¶"2"],"data_offsets":[0,8]}}""", "the shape of 'a' holds something that is not a whole number below 2^63.")]
    [InlineData("""{"a":{"dtype":"F32","shape":¶2,"data_offsets":[0,8]}}""", "the shape of 'a' is not a list.")]
    [InlineData("""{"a":{"dtype":¶"F33","shape":[2],"data_offsets":[0,8]}}""", "the dtype of 'a' is 'F33', which the format does not have.")]
    [InlineData("""{"a":{"dtype":¶32,"shape":[2],"data_offsets":[0,8]}}""", "the dtype of 'a' is not a string.")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]¶}}""", "'a' lacks one of dtype, shape and data_offsets.")]
    [InlineData("""{"a":{"dtype":"F32",¶"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "the name 'dtype' comes twice.")]
    [InlineData("""{"a":¶[1]}""", "the tensor 'a' is not an object.")]
    [InlineData("""{"a":{"x":[1,¶x]}}""", "the JSON is damaged.")]
    [InlineData("""{"a":""" + Eight + """,¶"a":""" + Eight + "}", "the name 'a' comes twice.")]
    [InlineData("""{"a":""" + Eight + """,¶"\u0061":""" + Eight + "}", "the name 'a' comes twice.")]
    [InlineData("""{"__metadata__":{"k":¶1},"a":""" + Eight + "}", "__metadata__ is not a string.")]
    [InlineData("""{"__metadata__":{"k":"1",¶"k":"2"},"a":""" + Eight + "}", "the name 'k' comes twice.")]
    [InlineData("""{"__metadata__":¶false,"a":""" + Eight + "}", "__metadata__ is not an object.")]
    [InlineData("""{"__metadata__":null¶x,"a":""" + Eight + "}", "the JSON is damaged.")]
    [InlineData("""{"__metadata__":null,¶"__metadata__":null}""", "the name '__metadata__' comes twice.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,9223372036854775807,2],"data_offsets":[0,0]¶}}""", "the shape of 'a' is absurd: F32 of [0, 9223372036854775807, 2].")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,2,0],"data_offsets":[0,0]¶}}""", "the shape of 'a' is absurd: F32 of [9223372036854775807, 2, 0].")]
    [InlineData("""{"a":{"dtype":"F64","shape":[2305843009213693952,0],"data_offsets":[0,0]¶}}""", "the shape of 'a' is absurd: F64 of [2305843009213693952, 0].")]
    [InlineData("""{"a":{"dtype":¶trrr""", "the JSON is damaged. 'trrr' is not a value.")]
    [InlineData("""{"a":{"dtype":"F32","x":[1, ¶nul]}}""", "the JSON is damaged.")]
    [InlineData("""{"a":{"dtype":¶"\ud800"}}""", "half of a surrogate pair stands alone.")]
    [InlineData("""{¶"\ud800":""" + Eight + "}", "half of a surrogate pair stands alone.")]
    [InlineData("""{"a":""" + Eight + "}¶x", "the JSON is damaged.")]
    [InlineData("""{"a":""" + Eight + "}¶{}", "the JSON is damaged.")]
    [InlineData("""{"a":""" + Eight + "¶", "the JSON is damaged.")]
    [InlineData("""¶[{"a":""" + Eight + "}]", "the header does not start with '{'.")]
    [InlineData("¶", "the header does not start with '{'.")]
    public void AWrongHeaderIsNamedWithItsPlace(string json, string fault)
    {
        // The mark ¶ shows the place of the fault. The length of the header comes before the header.
        byte[] before = Encoding.UTF8.GetBytes(json[..json.IndexOf('¶')]);
        AssertFault(Header(json.Replace("¶", ""), new byte[8]), sizeof(ulong) + before.Length, fault);
    }

    [Fact]
    public void ATruncatedFileIsNamed()
    {
        byte[] whole = Header("{\"a\":" + Eight + "}", new byte[8]);
        AssertFault([], 0, "the length of the header takes 8 bytes, and the file has 0.");
        AssertFault(whole[..7], 0, "the length of the header takes 8 bytes, and the file has 7.");
        AssertFault(whole[..8], 0, "the header is said to have 54 bytes, and the file ends at 8.");
        AssertFault(whole[..^9], 0, "the header is said to have 54 bytes, and the file ends at 61.");
        AssertFault(whole[..^1], 9, "'a' ends at byte 8 of the data, and there are 7.");
        AssertFault([.. whole, 0], 70, "1 bytes at the end belong to no tensor.");
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(100_000_001UL)]
    public void AHeaderThatIsTooLongIsNotMadeRoomFor(ulong length)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertFault([.. BitConverter.GetBytes(length), .. "{}"u8], 0, $"the header is said to have {length} bytes, and 100000000 is the limit.");
        AssertFault([.. BitConverter.GetBytes(99_999_999UL), .. "{}"u8], 0, "the header is said to have 99999999 bytes, and the file ends at 10.");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void InvalidUtf8IsNamedWithItsByte()
    {
        byte[] file = Header("{\"a?\":" + Eight + "}", new byte[8]);
        file[8 + 3] = 0xC3;
        AssertFault(file, 8 + 3, "the text is not valid UTF-8.");
    }

    [Fact]
    public void ADeeplyNestedHeaderDoesNotOverflowTheStack() =>
        AssertFault(Header("{\"a\":" + new string('[', 1_000_000), []), 13, "the tensor 'a' is not an object.");

    [Fact]
    public void ALongNameIsCutInMessages()
    {
        string longest = new('n', 80);
        AssertFault(Header($$"""{"{{longest}}":1}""", []), 8 + 84, $"the tensor '{longest}' is not an object.");
        AssertFault(Header($$"""{"{{longest}}n":1}""", []), 8 + 85, $"the tensor '{longest}…' is not an object.");
    }

    [Theory]
    [InlineData(65)]
    [InlineData(60_000)]
    public void MoreThan64DimensionsAreRefused(int dimensions)
    {
        string shape = string.Join(',', Enumerable.Repeat(1, dimensions));
        string start = """{"a":{"dtype":"U8","shape":[""" + string.Join(',', Enumerable.Repeat(1, 64)) + ",";
        AssertFault(Header($$$"""{"a":{"dtype":"U8","shape":[{{{shape}}}],"data_offsets":[0,1]}}""", [7]), 8 + start.Length,
            "the shape of 'a' has more than 64 numbers.");
    }

    [Fact]
    public void SixtyFourDimensionsAreReadAndShown()
    {
        using var folder = new TestFolder();
        string shape = string.Join(',', Enumerable.Repeat(1, 64));
        string path = folder.Write("file", Header($$$"""{"a":{"dtype":"U8","shape":[{{{shape}}}],"data_offsets":[0,1]}}""", [7]));
        using var file = SafeTensorsFile.Open(path);
        using Tensor tensor = file.Read("a");
        Assert.Equal(64, tensor.dim());
        Assert.StartsWith($"tensor({new string('[', 64)}7{new string(']', 64)}", tensor.Repr());
    }

    [Fact]
    public void NullIsNoMetadata()
    {
        using var folder = new TestFolder();
        using var file = SafeTensorsFile.Open(folder.Write("file", Header("{\"__metadata__\":null,\"a\":" + Eight + "}", new byte[8])));
        Assert.Empty(file.Metadata);
        Assert.Equal(["a"], file.Names);
    }

    [Theory]
    [InlineData("{\"", "\":1}")] // a name
    [InlineData("{\"a\":{\"dtype\":\"", "\"}}")]
    [InlineData("{\"a\":{\"dtype\":t", "")]
    [InlineData("{\"a\":{\"x\":[f", "]")]
    [InlineData("{\"a\":{\"dtype\":1", "}")]
    [InlineData("{\"a\":{\"shape\":[1", "]}")]
    [InlineData("{\"a\":{\"shape\":[1e", "]}")]
    [InlineData("{\"a\":{\"", "\":1}}")]
    [InlineData("{\"a\":", "")]
    [InlineData("{\"__metadata__\":{\"", "\":1}}")]
    [InlineData("{\"__metadata__\":{\"a\":n", "}}")]
    [InlineData("{\"__metadata__\":{\"a\":\"", "\",\"a\":1}}")]
    public void MessagesAreShortHoweverLongTheFileIs(string before, string after)
    {
        using var folder = new TestFolder();
        foreach (char repeated in "r1")
        {
            string text = before + new string(repeated, 3_000_000) + after;
            string path = folder.Write("file", Header(text, []));
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
            Assert.InRange(error.ToString().Split(" at ")[0].Length, 0, path.Length * 2 + 400);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 30_000_000);
        }
    }

    [Fact]
    public void AHeaderOfManyNamesIsRefused()
    {
        using var folder = new TestFolder();
        string texts = string.Join(',', Enumerable.Range(0, 1_000_001).Select(i => $"\"{i:x}\":\"\""));
        Assert.Contains("more than 1000000 names.", Fault("{\"__metadata__\":{" + texts + "}}"));
        texts = string.Join(',', Enumerable.Range(0, 101).Select(i => $"\"{i:x}\":0"));
        Assert.Contains("more than 100 names.", Fault("{\"a\":{" + texts + "}}"));

        string Fault(string json) =>
            Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(folder.Write("file", Header(json, [])))).Message;
    }

    [Theory]
    [MemberData(nameof(ForeignFormatTests.Foreign), MemberType = typeof(ForeignFormatTests))]
    [MemberData(nameof(ForeignFormatTests.Packed), MemberType = typeof(ForeignFormatTests))]
    public void AFileOfAnotherFormatIsNamed(string what, byte[] content)
    {
        AssertFault(content, 0, $"this is {what}");
        using var folder = new TestFolder();
        string path = folder.Write("model.safetensors.index.json", content);
        Assert.StartsWith($"{path}, byte 0: this is {what}", Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path)).Message);
    }

    [Fact]
    public void TextIsNamed() => AssertFault(Encoding.UTF8.GetBytes("日本 0.1 0.2\n"), 0, "this is text; WordVectors.Load reads vectors of words.");

    [Fact]
    public void AnIndexThatNamesAnAbsurdFileIsRefusedShortly()
    {
        using var folder = new TestFolder();
        string path = folder.Write("model.safetensors.index.json", $$$"""{"weight_map":{"a":"{{{new string('n', 100_000)}}}"}}""");
        var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
        Assert.EndsWith("…' is not the name of a file in the folder of the index.", error.Message);
    }

    [Fact]
    public void AnUnknownFieldIsPassedOver()
    {
        using var folder = new TestFolder();
        string path = folder.Write("file", Header("""{"a":{"dtype":"U8","x":[{"y":[1]}],"shape":[1],"data_offsets":[0,1]}}""", [7]));
        using var file = SafeTensorsFile.Open(path);
        using Tensor tensor = file.Read("a");
        Assert.Equal(7, tensor[0].ToByte());
    }

    [Fact]
    public void AnUnknownMemberOfAnIndexIsPassedOver()
    {
        using var folder = new TestFolder();
        folder.Write("shard.safetensors", Header("{\"a\":" + Eight + "}", new byte[8]));
        string path = folder.Write("model.safetensors.index.json", """{"x":{"weight_map":[1]},"weight_map":{"a":"shard.safetensors"}}""");
        using var file = SafeTensorsFile.Open(path);
        Assert.Equal(["a"], file.Names);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":¶"../other.safetensors"}}""", "'../other.safetensors' is not the name of a file in the folder of the index.")]
    [InlineData("""{"weight_map":{"a":¶"/etc/passwd"}}""", "'/etc/passwd' is not the name of a file in the folder of the index.")]
    [InlineData("""{"weight_map":{"a":¶""}}""", "'' is not the name of a file in the folder of the index.")]
    [InlineData("""{"weight_map":{"a":¶7}}""", "weight_map is not a string.")]
    [InlineData("""{"weight_map":{"a":"x",¶"a":"x"}}""", "the name 'a' comes twice.")]
    [InlineData("""{"weight_map":{"b":¶"shard.safetensors"}}""", "'b' is said to be in 'shard.safetensors', and is not.")]
    [InlineData("""{"weight_map":¶[]}""", "weight_map is not an object.")]
    [InlineData("""{"metadata":{}¶}""", "there is no weight_map.")]
    [InlineData("""{"metadata":{"total_size":¶""", "the JSON is damaged.")]
    [InlineData("¶", "the JSON is damaged.")]
    public void AWrongIndexIsNamedWithItsPlace(string json, string fault)
    {
        int place = Encoding.UTF8.GetByteCount(json[..json.IndexOf('¶')]);
        using var folder = new TestFolder();
        folder.Write("shard.safetensors", Header("{\"a\":" + Eight + "}", new byte[8]));
        string path = folder.Write("model.safetensors.index.json", json.Replace("¶", ""));
        var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
        Assert.StartsWith($"{path}, byte {place}: {fault}", error.Message);
    }

    [Fact]
    public void AnIndexThatIsTooLongIsNotRead()
    {
        using var folder = new TestFolder();
        string path = folder.Write("model.safetensors.index.json", "{");
        using (FileStream file = File.OpenWrite(path)) file.SetLength(100_000_001); // a hole: it takes no room on the disk
        var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
        Assert.StartsWith($"{path}, byte 0: the index has 100000001 bytes, and 100000000 is the limit.", error.Message);
    }

    [Fact]
    public void AnIndexThatNamesAFileThatIsNotThereSaysWhich()
    {
        using var folder = new TestFolder();
        string path = folder.Write("model.safetensors.index.json", """{"weight_map":{"a":"shard.safetensors"}}""");
        Assert.Equal(folder["shard.safetensors"], Assert.Throws<FileNotFoundException>(() => SafeTensorsFile.Open(path)).FileName);
    }

    private static void AssertFault(byte[] content, long place, string fault)
    {
        using var folder = new TestFolder();
        string path = folder.Write("file.safetensors", content);
        var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
        Assert.StartsWith($"{path}, byte {place}: {fault}", error.Message);
    }
}
