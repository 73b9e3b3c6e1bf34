//! The web console: a page and its files, built beforehand and served as they are.
//!
//! The page needs no token, for it holds nothing that is anybody's: what it shows it asks of the API, and that is guarded.
//! Hence the rule that everything here stands on: [`is_place`] alone says which addresses are the console's, by the path as
//! the routes see it, and both the guard and the console ask it.
//!
//! In reading order: where the files come from ([`ConsoleFiles`]), which of a file's encodings a client is sent
//! (`encoding`), what a file is (`media_type`), what in the page itself may run (`inline`), and what is said where there is no
//! console (`absent`).

mod absent;
mod encoding;
mod files;
mod inline;
mod media_type;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::Data,
};

pub use files::{ConsoleFile, ConsoleFiles};
pub(crate) use inline::InlineSources;

use crate::{accept, error::ApiError, site::Site};
use encoding::Encoding;

/// What the console says of itself to whoever asks, before a token is known.
#[derive(Debug, Clone, Default)]
pub struct ConsoleSettings {
    /// Its files.
    pub files: ConsoleFiles,
    /// Where Grafana is, for a link.
    pub grafana_url: Option<String>,
    /// Questions that a new chat offers.
    pub examples: Vec<String>,
}

/// Marks an answer as the console's own, for the outermost layer: it has headers of its own, and its body is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsoleAnswer {
    /// For `Cache-Control`.
    pub(crate) cache_control: &'static str,
    /// What stands in the answer itself and may run; of the page alone.
    pub(crate) inline: Option<InlineSources>,
}

/// The name under which answers of the console are counted: it has no routes, and the paths are the client's.
pub(crate) const ROUTE: &str = "/{console}";

/// The page that all places of the console have in common.
const SHELL: &str = "index.html";
/// Where files lie whose names change with their content.
const HASHED: &str = "assets/";
const FOREVER: ConsoleAnswer = ConsoleAnswer {
    cache_control: "public, max-age=31536000, immutable",
    inline: None,
};
const CHECKED: ConsoleAnswer = ConsoleAnswer {
    cache_control: "no-cache",
    inline: None,
};

/// Whether an address is the console's: anything but the API, that of OpenAI's clients, and the metrics. `path` is decoded as it is for routes, so
/// that no other way of writing an address of the API passes for one of the console.
pub(crate) fn is_place(path: &str) -> bool {
    !["/api", "/v1", "/metrics"].into_iter().any(|ours| {
        path.strip_prefix(ours)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Answers what no route has: a file of the console, or its page.
///
/// # Errors
/// 404 where there is nothing, 405 where there is something to be read only.
pub(crate) async fn answer(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    serve(&site.settings.console.files, &request).await
}

async fn serve(files: &ConsoleFiles, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let nothing_here = || ApiError::of_status(StatusCode::NOT_FOUND, None);
    let path = request.match_info().as_str();
    let name = path.strip_prefix('/').filter(|_| is_place(path));
    let name = name.ok_or_else(nothing_here)?;
    let console = Console {
        files,
        headers: request.headers(),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(if name.is_empty() || console.files.read(name).await.is_some() {
            ApiError::method_not_allowed("GET, HEAD")
        } else {
            nothing_here()
        });
    }
    if let Some(file) = console.file(name).await {
        return Ok(file);
    }
    let is_visit = name.is_empty() || accept::names(request.headers(), header::ACCEPT, "text/html");
    if !is_visit || name.starts_with(HASHED) {
        return Err(nothing_here());
    }
    Ok(console.file(SHELL).await.unwrap_or_else(absent::page))
}

/// The console as one request sees it.
struct Console<'a> {
    files: &'a ConsoleFiles,
    headers: &'a HeaderMap,
}

impl Console<'_> {
    /// A file in the best encoding there is of it; nothing of it where the client has it already.
    async fn file(&self, name: &str) -> Option<HttpResponse> {
        if Encoding::of_name(name).is_some() {
            return None; // It is another file, encoded.
        }
        let plain = self.files.read(name).await?;
        // Also with 304: the browser then takes the policy of the answer, not the one it has kept. A tenth of a
        // millisecond at most.
        let inline = (name == SHELL).then(|| InlineSources::of(&plain.bytes));
        let mut chosen = (plain, Encoding::Identity);
        for encoding in encoding::preferred(self.headers) {
            let Some(suffix) = encoding.suffix() else { break };
            if let Some(encoded) = self.files.read(&format!("{name}{suffix}")).await {
                chosen = (encoded, encoding);
                break;
            }
        }
        let (file, encoding) = chosen;
        let tag = file.tag();
        let is_known = is_known(self.headers, &tag);
        let (kind, vary) = match name.starts_with(HASHED) {
            true => (FOREVER, "accept-encoding"),
            // Where the page is sent to whoever takes pages, others are told that there is nothing.
            false => (CHECKED, "accept, accept-encoding"),
        };
        let mut response = match is_known {
            true => HttpResponse::NotModified(),
            false => HttpResponse::Ok(),
        };
        response
            .insert_header((header::ETAG, tag))
            .insert_header((header::VARY, vary));
        let mut response = if is_known {
            response.finish()
        } else {
            response.content_type(media_type::of(name));
            if let Some(coding) = encoding.name() {
                response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static(coding)));
            }
            response.body(file.bytes)
        };
        response.extensions_mut().insert(ConsoleAnswer { inline, ..kind });
        Some(response)
    }
}

/// Whether the client has what bears this tag (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, test::TestRequest};
    use orchestratai_shared::ErrorCode;

    use super::*;

    #[tokio::test]
    async fn without_a_console_a_visitor_is_told_how_to_build_it() {
        let empty = tempfile::tempdir().unwrap();
        for files in [ConsoleFiles::Absent, ConsoleFiles::Folder(empty.path().into())] {
            let visit = |path: &str| {
                TestRequest::get()
                    .uri(path)
                    .insert_header((header::ACCEPT, "text/html,*/*"))
            };
            for path in ["/", "/overview"] {
                let page = serve(&files, &visit(path).to_http_request()).await.unwrap();
                assert_eq!(page.status(), StatusCode::NOT_FOUND);
                assert_eq!(page.extensions().get(), Some(&CHECKED));
                let text = to_bytes(page.into_body()).await.unwrap();
                assert!(text.windows(10).any(|words| words == b"make build"), "{text:?}");
            }
            for path in ["/api/nope", "/metrics/", "/assets/a.js"] {
                let refused = serve(&files, &visit(path).to_http_request()).await.unwrap_err();
                assert_eq!(refused.failure.code, ErrorCode::NotFound, "{path}");
            }
        }
    }

    #[test]
    fn the_api_and_the_metrics_are_no_places_of_the_console() {
        for path in ["/api", "/api/", "/api/agents", "/api/../x", "/metrics", "/metrics/"] {
            assert!(!is_place(path), "{path}");
        }
        for path in [
            "/",
            "/overview",
            "/apis",
            "/assets/api/x.js",
            "/metrics.html",
            "/API/agents",
            "//api/agents",
        ] {
            assert!(is_place(path), "{path}");
        }
    }

    #[test]
    fn a_tag_is_known_among_others_and_weakly() {
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, "\"a1\"")
        };
        assert!(known("\"a1\"") && known("\"b\", W/\"a1\"") && known("*"));
        assert!(!known("\"a\"") && !known("a1"));
        assert!(!is_known(&HeaderMap::new(), "\"a1\""));
    }
}
