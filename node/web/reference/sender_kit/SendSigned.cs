// Send one file of records to a Yizhan node, signed (RFC 9421), and print its answer. .NET 6 or newer; README.md.
// YIZHAN_SECRET_FILE=secret.txt dotnet run -- http://127.0.0.1:8440 first-case.xml [QUERY]
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

var secretFile = Environment.GetEnvironmentVariable("YIZHAN_SECRET_FILE");
var line = Environment.GetEnvironmentVariable("YIZHAN_SECRET") ?? (secretFile == null ? null : File.ReadAllText(secretFile));
if (args.Length < 2 || line == null)
{
    Console.Error.WriteLine("YIZHAN_SECRET_FILE=secret.txt dotnet run -- NODE FILE [QUERY]");
    return 2;
}
var key = line.Trim().Split(' ');
var (body, said, status) = (File.ReadAllBytes(args[1]), "", 503);
var address = args[0].TrimEnd('/') + "/api/v1/records" + (args.Length > 2 ? "?" + args[2] : "");
var sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
var type = Path.GetExtension(args[1]).ToLowerInvariant() switch
    { ".xml" => "application/xml", ".json" => "application/json", ".csv" => "text/csv", ".xlsx" => sheet, _ => "text/plain" };
var once = Guid.NewGuid().ToString();
var digest = "sha-256=:" + Convert.ToBase64String(SHA256.HashData(body)) + ":";

// The request with a signature of its own: each try has a time and a nonce.
HttpRequestMessage Signed()
{
    var covered = new List<(string Name, string Value)> { ("@method", "POST"), ("@target-uri", address),
        ("content-digest", digest), ("content-type", type), ("idempotency-key", once) };
    var names = string.Join(" ", covered.Select(one => $"\"{one.Name}\""));
    var nonce = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
    var created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    var parameters = $"({names});created={created};nonce=\"{nonce}\";keyid=\"{key[0]}\"";
    covered.Add(("@signature-params", parameters));
    var lines = string.Join("\n", covered.Select(one => $"\"{one.Name}\": {one.Value}"));
    var mac = HMACSHA256.HashData(Encoding.ASCII.GetBytes(key[1]), Encoding.ASCII.GetBytes(lines));
    var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
    request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
    request.Headers.TryAddWithoutValidation("Content-Digest", digest);
    request.Headers.TryAddWithoutValidation("Idempotency-Key", once);
    request.Headers.TryAddWithoutValidation("Signature-Input", "sig=" + parameters);
    request.Headers.TryAddWithoutValidation("Signature", "sig=:" + Convert.ToBase64String(mac) + ":");
    return request;
}

using var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
for (int wait = 0, next = 1; next <= 32 && status is 429 or 503; next *= 2)
{
    await Task.Delay(TimeSpan.FromSeconds(wait));
    wait = next;
    try // The same request goes again, signed anew, while the node is busy or not there.
    {
        using var request = Signed();
        using var answer = await client.SendAsync(request);
        (status, said) = ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        wait = (int?)answer.Headers.RetryAfter?.Delta?.TotalSeconds ?? next;
    }
    catch (Exception error) when (error is HttpRequestException or TaskCanceledException) { said = error.Message; }
}
Console.WriteLine(said);
return status switch { 200 => said.Contains("\"refused\": 0,") ? 0 : 9, 401 => 5, 429 or 503 => 6, _ => 1 };
