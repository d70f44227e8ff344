using System.Text;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

public class NumberTextTests
{
    [Fact]
    public void EveryTextBecomesTheFloat32ThatNumpyMakesOfIt()
    {
        string[] lines = File.ReadAllLines(TestFolder.Golden("numbers.verified.txt"));
        Assert.All(lines, line =>
        {
            string bits = line[..8], text = line[9..];
            Assert.True(TryParse(text, out float value));
            Assert.Equal(bits, BitConverter.SingleToUInt32Bits(value).ToString("x8"));
        });
        Assert.True(lines.Length > 2000);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("+")]
    [InlineData(".")]
    [InlineData("-.")]
    [InlineData("e5")]
    [InlineData(".e5")]
    [InlineData("1e")]
    [InlineData("1e+")]
    [InlineData("1.5.2")]
    [InlineData("--1")]
    [InlineData("+-1")]
    [InlineData("1,5")]
    [InlineData("1_000")]
    [InlineData("0x10")]
    [InlineData("1f")]
    [InlineData("1d5")]
    [InlineData("in")]
    [InlineData("infinit")]
    [InlineData("nan(1)")]
    [InlineData("١")]
    [InlineData("1 ")]
    [InlineData(" 1")]
    public void WhatIsNoNumberIsRefused(string text) => Assert.False(TryParse(text, out _));

    private static unsafe bool TryParse(string text, out float value)
    {
        byte[] bytes = [.. Encoding.UTF8.GetBytes(text), .. "\n1234567"u8];
        fixed (byte* start = bytes)
        {
            byte* next = start;
            return NumberText.TryRead(ref next, out value) && next == start + bytes.Length - 8;
        }
    }
}
