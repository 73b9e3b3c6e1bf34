//! The web console as a browser meets it. The files are made by the test: what a built console has in it is the concern of
//! the console's own tests.

use std::{fs, path::Path};

use orchestratai_shared::ErrorCode;
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    bad_input::check,
    client::{Answer, Rest},
    server::{Launch, Server},
};

const TOKEN: &str = "a-token_of_43_characters_0123456789abcdefgh";
const PAGE: &str = "<!doctype html><title>A console</title>";
/// As a browser asks for a page that somebody wants to see.
const VISIT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What a build leaves behind, in small.
fn built() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = "console.log('a script that is long enough to be worth packing');".repeat(40);
    for (name, text) in [
        ("index.html", PAGE),
        ("index.html.br", "the page in brotli"),
        ("favicon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("assets/index-C0FFEE.js", &script),
        ("assets/index-C0FFEE.js.br", "the script in brotli"),
        ("assets/index-C0FFEE.js.gz", "the script in gzip"),
        ("assets/index-C0FFEE.css", "body { margin: 0 }"),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn launch(console: &TempDir) -> Launch {
    Launch::new()
        .argument("--no-demo")
        .setting("console.dir", console.path().to_str().unwrap())
}

/// What is answered to a request with these headers; without the token.
async fn ask(server: &Server, method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
    let rest = Rest::new(format!("http://{}", server.address()), None);
    let mut request = rest.request(method, path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    rest.send(request).await
}

#[tokio::test]
async fn every_place_of_the_console_is_its_page_and_nothing_else_is() {
    let console = built();
    let server = launch(&console).start().await;
    for path in ["/", "/overview", "/chat/0199", "/live?filter=a", "/%C3%BCber", "/apis"] {
        let page = ask(&server, Method::GET, path, &[(header::ACCEPT, VISIT)]).await;
        assert_eq!((page.status, page.body), (StatusCode::OK, json!(PAGE)), "{path}");
        let headers = &page.headers;
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert!(headers.contains_key("x-request-id"));
    }
    // The page also for who says nothing of pages, but only at its front door.
    assert_eq!(ask(&server, Method::GET, "/", &[]).await.body, json!(PAGE));
    for (method, path, accept) in [
        (Method::GET, "/overview", "*/*"),
        (Method::GET, "/overview", "application/json"),
        (Method::GET, "/api/nope", VISIT),
        (Method::GET, "/api", VISIT),
        (Method::GET, "/metrics/nope", VISIT),
        (Method::GET, "/assets/index-0LD.js", VISIT),
        (Method::GET, "/assets/", VISIT),
        (Method::GET, "/index.html.br", "*/*"),
        (Method::GET, "/..%2findex.html", "*/*"),
        (Method::POST, "/overview", VISIT),
    ] {
        let nothing = ask(&server, method, path, &[(header::ACCEPT, accept)]).await;
        check(&nothing, ErrorCode::NotFound, None);
        assert_eq!(nothing.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    for path in ["/", "/favicon.svg"] {
        let refused = ask(&server, Method::POST, path, &[]).await;
        check(&refused, ErrorCode::MethodNotAllowed, None);
        assert_eq!(refused.headers[header::ALLOW], "GET, HEAD");
    }
    let head = ask(&server, Method::HEAD, "/", &[]).await;
    assert_eq!((head.status, head.body), (StatusCode::OK, json!("")));
    assert_eq!(head.headers[header::CONTENT_LENGTH], PAGE.len().to_string());
    let metrics = server.rest().get("/metrics").await.body;
    let counted = r#"orchestratai_http_requests_total{method="GET",route="/{console}",status="200"}"#;
    assert!(metrics.as_str().unwrap().contains(counted), "{metrics}");
}

#[tokio::test]
async fn files_come_in_the_best_encoding_and_only_once() {
    let console = built();
    let server = launch(&console).start().await;
    let script = "/assets/index-C0FFEE.js";
    let mut tags = Vec::new();
    for (accepted, encoding, text) in [
        ("gzip, deflate, br, zstd", Some("br"), "the script in brotli"),
        ("br;q=0.1, gzip", Some("gzip"), "the script in gzip"),
        ("br;q=0, identity", None, "console.log("),
        ("", None, "console.log("),
    ] {
        let file = ask(&server, Method::GET, script, &[(header::ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(file.status, StatusCode::OK, "{accepted}");
        let said = file
            .headers
            .get(header::CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap());
        assert_eq!(said, encoding, "{accepted}");
        assert!(
            file.body.as_str().unwrap().starts_with(text),
            "{accepted}: {}",
            file.body
        );
        assert_eq!(file.headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(
            file.headers[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        let vary = file.headers[header::VARY].to_str().unwrap();
        assert_eq!(vary.matches("accept-encoding").count(), 1, "{vary}");
        tags.push(file.headers[header::ETAG].to_str().unwrap().to_owned());
    }
    assert_eq!(tags[2], tags[3]);
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2],
        "{tags:?}"
    );

    // A style sheet that was not worth packing is not packed on its way either, whatever the client takes.
    let style = ask(
        &server,
        Method::GET,
        "/assets/index-C0FFEE.css",
        &[(header::ACCEPT_ENCODING, "gzip, br")],
    )
    .await;
    assert_eq!(style.body, json!("body { margin: 0 }"));
    assert_eq!(style.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");

    // Whoever has the page is told that it is the same, until it is another.
    let page = ask(&server, Method::GET, "/", &[]).await;
    let tag = page.headers[header::ETAG].to_str().unwrap().to_owned();
    let again = ask(
        &server,
        Method::GET,
        "/chat",
        &[(header::ACCEPT, VISIT), (header::IF_NONE_MATCH, &tag)],
    )
    .await;
    assert_eq!((again.status, again.body), (StatusCode::NOT_MODIFIED, json!("")));
    assert_eq!(again.headers[header::ETAG], tag.as_str());
    assert_eq!(again.headers[header::CACHE_CONTROL], "no-cache");
    write(console.path(), "index.html", "another build");
    let built_anew = ask(&server, Method::GET, "/", &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(
        (built_anew.status, built_anew.body),
        (StatusCode::OK, json!("another build"))
    );
}

#[tokio::test]
async fn of_the_page_itself_what_it_was_built_with_may_run() {
    let console = built();
    let page = "<!doctype html><style>a{}</style><script>a()</script><script src=\"/assets/index-C0FFEE.js\"></script>";
    write(console.path(), "index.html", page);
    let server = launch(&console).start().await;
    // As `openssl dgst -sha256 -binary | base64` says of what stands between the tags.
    let expected = "default-src 'none'; script-src 'self' 'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4='; \
        style-src 'self' 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='; img-src 'self' data:;";
    let packed = ask(&server, Method::GET, "/", &[(header::ACCEPT_ENCODING, "br")]).await;
    let tag = packed.headers[header::ETAG].to_str().unwrap().to_owned();
    // A browser that has the page takes the policy of the answer that says so.
    let known = [(header::ACCEPT_ENCODING, "br"), (header::IF_NONE_MATCH, tag.as_str())];
    let again = ask(&server, Method::GET, "/", &known).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let elsewhere = ask(&server, Method::GET, "/chat/0199", &[(header::ACCEPT, VISIT)]).await;
    for answer in [packed, again, elsewhere] {
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with(expected), "{policy}");
    }
    // A file has nothing in it that would run as a part of a page.
    let script = ask(&server, Method::GET, "/assets/index-C0FFEE.js", &[]).await;
    let policy = script.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(!policy.contains("sha256"), "{policy}");
}

#[tokio::test]
async fn the_page_needs_no_token_and_nothing_of_the_api_is_had_by_its_door() {
    let console = built();
    let server = launch(&console)
        .setting("auth.token", TOKEN)
        .setting("console.grafana_url", "https://grafana.example/d/1?a=b")
        .start()
        .await;
    for path in ["/", "/overview", "/assets/index-C0FFEE.js", "/favicon.svg"] {
        let page = ask(&server, Method::GET, path, &[(header::ACCEPT, VISIT)]).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
    }
    let known = ask(&server, Method::GET, "/api/console", &[]).await;
    assert_eq!(known.body["authentication"], "token");
    assert_eq!(known.body["grafanaUrl"], "https://grafana.example/d/1?a=b");
    assert_eq!(known.body["examples"].as_array().unwrap().len(), 3);
    assert_eq!(known.body["version"], env!("CARGO_PKG_VERSION"));

    // Every way of writing an address that a route could take.
    for path in [
        "/api/agents",
        "/metrics",
        "/%61pi/agents",
        "/%61%70%69/%61gents",
        "/api%2fagents",
        "/api/%61gents",
        "/%6detrics",
        "/m%65trics",
        "//api/agents",
        "/./api/agents",
        "/x/../api/agents",
        "/api/console/../agents",
        "/api/console/",
        "/api/health/../agents",
        "/api/agents?x=/api/console",
        "/API/agents",
        "/%2561pi/agents",
        "/api/agents%00",
        "/;/api/agents",
    ] {
        let (status, text) = raw(&server, path).await;
        assert!(matches!(status, 401 | 404 | 400), "{path}: {status}");
        assert!(
            !text.contains("\"agents\"") && !text.contains("orchestratai_ready"),
            "{path}: {text}"
        );
    }
    // What the router takes for the API is the API, however it is written.
    for path in ["/%61pi/agents", "/%6detrics", "/api/%61gents"] {
        assert_eq!(raw(&server, path).await.0, 401, "{path}");
    }
}

/// Sends a path as it stands, which no client library does.
async fn raw(server: &Server, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test]
async fn pages_of_other_sites_get_nothing_of_it() {
    let console = built();
    let server = launch(&console).start().await;
    for (name, value) in [(header::ORIGIN, "https://evil.example"), (header::HOST, "evil.example")] {
        check(
            &ask(&server, Method::GET, "/", &[(name, value)]).await,
            ErrorCode::Forbidden,
            None,
        );
    }
    let known = ask(&server, Method::GET, "/api/console", &[]).await;
    assert_eq!(known.body["authentication"], "open");
    assert!(known.body.get("grafanaUrl").is_none(), "{}", known.body);
}
