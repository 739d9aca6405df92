//! What stands behind the roads: a service that knows alice with 123456, in the language of each provider.

use serde_json::json;

use crate::support::service::Request;
use crate::support::yubico;

pub(crate) fn answer(request: &Request) -> String {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    match path {
        _ if path.starts_with("/verify?") => yubico::answer(request),
        "/validate/check" => {
            // LinOTP is asked with words for a push.
            let body = String::from_utf8_lossy(&request.body);
            let known = body == "user=alice&pass=123456" || body.starts_with("user=alice&pass=123456&data=");
            json!({"jsonrpc": "2.0802", "result": {"status": true, "value": known}, "id": 0}).to_string()
        }
        _ => {
            let (body, token) = (request.json(), request.header("authorization"));
            let known = body["identity"] == "alice" && body["otp"] == "123456";
            let result = if known && token == Some("Bearer t0ken") { "ACCEPT" } else { "DENY" };
            json!({"result": result}).to_string()
        }
    }
}
