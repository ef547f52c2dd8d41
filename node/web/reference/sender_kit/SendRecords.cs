// Send one file of records to a Yizhan node and print the verdict on each. .NET 6 or newer, nothing else.
//
//     dotnet new console -o SendRecords && cp SendRecords.cs SendRecords/Program.cs && cd SendRecords
//     YIZHAN_KEY_FILE=key.txt dotnet run -- http://127.0.0.1:8440 first-case.xml
//
// The key of the source comes from YIZHAN_KEY or from the file YIZHAN_KEY_FILE, never from an argument. A third
// argument is the query, for a dialect or for a table without a column of types: "dialect=NAME", "type=Acceptance".
// Leaves with 0 (all accepted or repeated), 9 (some refused), 1 (nothing usable), 2 (mistake in the call), 5 (key
// refused), 6 (node not reached or busy).

#nullable disable

using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Threading.Tasks;

public static class SendRecords
{
    private const int Tries = 5;

    private static readonly Dictionary<string, string> Types = new Dictionary<string, string>
    {
        [".xml"] = "application/xml", [".json"] = "application/json", [".csv"] = "text/csv",
        [".xlsx"] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };

    public static async Task<int> Main(string[] arguments)
    {
        string key = Environment.GetEnvironmentVariable("YIZHAN_KEY");
        string keyFile = Environment.GetEnvironmentVariable("YIZHAN_KEY_FILE");
        if (arguments.Length < 2 || (key == null && keyFile == null))
        {
            Console.Error.WriteLine("YIZHAN_KEY_FILE=key.txt dotnet run -- NODE FILE [QUERY]");
            return 2;
        }
        key = (key ?? File.ReadAllText(keyFile)).Trim();
        string query = arguments.Length > 2 ? arguments[2] : "";
        string address = arguments[0].TrimEnd('/') + "/api/v1/records?" + query;
        byte[] body = File.ReadAllBytes(arguments[1]);
        string type = Types.TryGetValue(Path.GetExtension(arguments[1]).ToLowerInvariant(), out string known)
            ? known : "application/octet-stream";
        string once = Guid.NewGuid().ToString();
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(60) };
        for (int tries = 0; tries < Tries; tries++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(1 << tries);
            try
            {
                // A request can be sent once only: the same one is made again, with the same Idempotency-Key.
                using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
                request.Headers.Add("Idempotency-Key", once);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
                using HttpResponseMessage answer = await client.SendAsync(request);
                int status = (int)answer.StatusCode;
                if (status != 429 && status != 503) return Report(status, await answer.Content.ReadAsStringAsync());
                Console.Error.WriteLine(await answer.Content.ReadAsStringAsync());
                wait = answer.Headers.RetryAfter?.Delta ?? wait;
            }
            catch (Exception error) when (error is HttpRequestException || error is TaskCanceledException)
            {
                Console.Error.WriteLine(error.Message);
            }
            await Task.Delay(wait);
        }
        return 6;
    }

    private static int Report(int status, string text)
    {
        using JsonDocument answer = JsonDocument.Parse(text);
        if (!answer.RootElement.TryGetProperty("verdicts", out JsonElement verdicts))
        {
            Console.Error.WriteLine(text);
            return status == 401 ? 5 : 1;
        }
        foreach (JsonElement one in verdicts.EnumerateArray())
        {
            Console.WriteLine($"{one.GetProperty("verdict")} {one.GetProperty("record_type")} {one.GetProperty("key")}");
            foreach (JsonElement problem in one.GetProperty("problems").EnumerateArray())
                Console.WriteLine($"    row {problem.GetProperty("row")} line {problem.GetProperty("line")} " +
                    $"{problem.GetProperty("rule")} {problem.GetProperty("text")}");
        }
        return status == 422 ? 1 : answer.RootElement.GetProperty("refused").GetInt32() > 0 ? 9 : 0;
    }
}
