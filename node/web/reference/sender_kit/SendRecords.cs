// Send one file of records to a Yizhan node and print its answer. .NET 6 or newer; README.md has the exit codes.
// YIZHAN_KEY_FILE=key.txt dotnet run -- http://127.0.0.1:8440 first-case.xml [QUERY]

var keyFile = Environment.GetEnvironmentVariable("YIZHAN_KEY_FILE");
var key = Environment.GetEnvironmentVariable("YIZHAN_KEY") ?? (keyFile == null ? null : File.ReadAllText(keyFile));
if (args.Length < 2 || key == null)
{
    Console.Error.WriteLine("YIZHAN_KEY_FILE=key.txt dotnet run -- NODE FILE [QUERY]");
    return 2;
}
var (body, query, said, status) = (File.ReadAllBytes(args[1]), args.Length > 2 ? args[2] : "", "", 503);
var sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
var type = Path.GetExtension(args[1]).ToLowerInvariant() switch
    { ".xml" => "application/xml", ".json" => "application/json", ".csv" => "text/csv", ".xlsx" => sheet, _ => "text/plain" };
using var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
client.DefaultRequestHeaders.Add("Authorization", "Bearer " + key.Trim());
client.DefaultRequestHeaders.Add("Idempotency-Key", Guid.NewGuid().ToString());
for (int wait = 0, next = 1; next <= 32 && status is 429 or 503; next *= 2)
{
    await Task.Delay(TimeSpan.FromSeconds(wait));
    wait = next;
    using var content = new ByteArrayContent(body) { Headers = { { "Content-Type", type } } };
    try // The very same request goes again while the node is busy or not there.
    {
        using var answer = await client.PostAsync(args[0].TrimEnd('/') + "/api/v1/records?" + query, content);
        (status, said) = ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        wait = (int?)answer.Headers.RetryAfter?.Delta?.TotalSeconds ?? next;
    }
    catch (Exception error) when (error is HttpRequestException or TaskCanceledException) { said = error.Message; }
}
Console.WriteLine(said);
return status switch { 200 => said.Contains("\"refused\": 0,") ? 0 : 9, 401 => 5, 429 or 503 => 6, _ => 1 };
