//! The outermost layer: what every request meets first, and every answer last.
//!
//! Request id, span, metrics, security headers, the one error shape, compression, and the wall that a panic does not pass.

mod compression;
mod gate;
mod headers;
pub(crate) mod token;
mod unread;

use std::{
    borrow::Cow,
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix_http::encoding::Encoder;
use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::{self, BodySize, BoxBody, EitherBody, MessageBody},
    dev::{ResponseHead, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use orchestratai_telemetry::Metrics;
use tracing::{Instrument, Span, field::Empty};

pub(crate) use gate::Gate;
use headers::Surface;
use unread::Unread;

use crate::{
    console::{self, ConsoleAnswer},
    error::ApiError,
    openai::{self, OpenAiErrorBody},
    request_id::{RequestId, X_REQUEST_ID},
    trace,
};

/// The session of a request that has no other place for it, and of its answer.
pub(crate) const X_SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");

/// The turn that an answer is about.
pub(crate) const X_TURN_ID: HeaderName = HeaderName::from_static("x-turn-id");
/// Read by OpenAI's clients.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Makes the layer for each worker.
pub(crate) struct Edge {
    gate: Arc<Gate>,
    metrics: Metrics,
}

impl Edge {
    pub(crate) fn new(gate: Arc<Gate>, metrics: Metrics) -> Self {
        Self { gate, metrics }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<Encoder<B>>>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService {
            service: Rc::new(service),
            gate: Arc::clone(&self.gate),
            metrics: self.metrics.clone(),
        }))
    }
}

/// The layer of one worker.
pub(crate) struct EdgeService<S> {
    service: Rc<S>,
    gate: Arc<Gate>,
    metrics: Metrics,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<Encoder<B>>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let exchange = Exchange {
            began: Instant::now(),
            id: RequestId::of(request.headers()),
            method: request.method().clone(),
            takes_gzip: compression::is_taken(request.headers()),
            is_docs: request.path().starts_with("/api/docs"),
            is_openai: openai::is_place(request.match_info().as_str()),
            metrics: self.metrics.clone(),
        };
        let span = tracing::info_span!(
            "request",
            request.id = exchange.id.as_str(),
            http.method = exchange.method.as_str(),
            http.path = &*told_path(request.match_info().as_str()),
            http.route = Empty,
            http.status = Empty,
            trace.id = Empty,
        );
        trace::continue_in(&span, request.headers());
        request.extensions_mut().insert(exchange.id.clone());
        let refusal = self.gate.refusal(request.headers());
        let unread = Unread::of(&mut request);
        let service = Rc::clone(&self.service);
        let work = async move {
            let answered = match refusal {
                Some(refusal) => Ok(request.error_response(refusal).map_into_right_body()),
                // The call itself stands inside the wall too: a service may panic before it gives a future.
                None => AssertUnwindSafe(async move { service.call(request).await })
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| Err(panicked(panic.as_ref()).into()))
                    .map(ServiceResponse::map_into_left_body),
            };
            unread.answered();
            match answered {
                Ok(response) => Ok(exchange.finish(response)),
                Err(error) => Err(exchange.fail(&error)),
            }
        };
        Box::pin(work.instrument(span))
    }
}

/// A path as logs and traces may have it: without whom it is about, since what names a user may be their address.
fn told_path(path: &str) -> Cow<'_, str> {
    const USERS: &str = "/api/users/";
    let Some(rest) = path.strip_prefix(USERS) else {
        return Cow::Borrowed(path);
    };
    let of_user = rest.find('/').map_or("", |at| &rest[at..]);
    // Of a fact only that there is one: whoever mistypes may type anything.
    let place = if of_user.starts_with("/memory/") {
        "/memory/…"
    } else {
        "/memory"
    };
    let place = if of_user.starts_with("/memory") { place } else { "" };
    Cow::Owned(format!("{USERS}…{place}"))
}

/// What is known of one request and its answer.
struct Exchange {
    began: Instant,
    id: RequestId,
    method: Method,
    takes_gzip: bool,
    is_docs: bool,
    is_openai: bool,
    metrics: Metrics,
}

impl Exchange {
    fn finish<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<EitherBody<B>>,
    ) -> ServiceResponse<EitherBody<Encoder<B>>> {
        let status = response.status();
        let route = response.request().match_pattern();
        let console = response.response().extensions().get::<ConsoleAnswer>().cloned();
        let error = (console.is_none() && (status.is_client_error() || status.is_server_error()))
            .then(|| self.error(status, response.response().error()));
        let status = error.as_ref().map_or(status, ResponseError::status_code);
        let route = match &console {
            Some(_) => console::ROUTE,
            None => route.as_deref().unwrap_or("unmatched"),
        };
        let surface = match (console, self.is_docs) {
            (Some(answer), _) => Surface::Console(answer),
            (None, true) => Surface::Docs,
            (None, false) => Surface::Api,
        };
        self.record(route, status, error.as_ref());
        // A stream lasts as long as its client wants: how long that is says nothing.
        if error.is_some() || !matches!(response.response().body().size(), BodySize::Stream) {
            self.metrics
                .http_ended(self.method.as_str(), route, self.began.elapsed());
        }
        response.map_body(|head, body| {
            self.decorate(head, surface);
            match (error, body) {
                (Some(error), _) => EitherBody::right(self.write_error(head, &error)),
                // The HTTP server sends nothing of it, but would wait for its end, and the next request with it.
                (None, body) if self.method == Method::HEAD && matches!(body.size(), BodySize::Stream) => {
                    EitherBody::right(BoxBody::new(body::None::new()))
                }
                (None, EitherBody::Left { body }) => EitherBody::left(compression::apply(self.takes_gzip, head, body)),
                (None, EitherBody::Right { body }) => EitherBody::right(body),
            }
        })
    }

    /// For what failed outside of any route, a panic above all: the request is gone, so the answer is carried by the error.
    fn fail(&self, error: &Error) -> Error {
        let api = self.error(error.as_response_error().status_code(), Some(error));
        let status = api.status_code();
        self.record("unmatched", status, Some(&api));
        let response = HttpResponse::new(status).map_body(|head, _: BoxBody| {
            self.decorate(head, Surface::Api);
            self.write_error(head, &api)
        });
        InternalError::from_response(api, response).into()
    }

    fn error(&self, status: StatusCode, cause: Option<&Error>) -> ApiError {
        cause
            .and_then(|cause| cause.as_error::<ApiError>().cloned())
            .unwrap_or_else(|| ApiError::of_status(status, cause))
    }

    fn decorate(&self, head: &mut ResponseHead, surface: Surface) {
        head.headers_mut().insert(X_REQUEST_ID, self.id.header());
        headers::secure(head.headers_mut(), surface);
    }

    fn write_error(&self, head: &mut ResponseHead, error: &ApiError) -> BoxBody {
        head.status = error.status_code();
        head.reason = None;
        let headers = head.headers_mut();
        headers.remove(header::CONTENT_ENCODING);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = error.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = error.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if error.status_code() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if error.names_websocket_version {
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if let Some(value) = error.turn_id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            headers.insert(X_TURN_ID, value);
        }
        // OpenAI's clients ask again by themselves after most errors, unless they are told not to.
        if self.is_openai && !error.failure.retryable {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        let body = match self.is_openai {
            true => serde_json::to_vec(&OpenAiErrorBody::of(error)),
            false => serde_json::to_vec(&error.body(self.id.as_str())),
        };
        BoxBody::new(body.expect("an error body has string keys only"))
    }

    /// Counts the answer, logs it, and notes it in the span of the request.
    fn record(&self, route: &str, status: StatusCode, error: Option<&ApiError>) {
        self.metrics.http_answered(self.method.as_str(), route, status.as_u16());
        match error {
            // No room is a refusal, and nobody's failure.
            Some(error) if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(http.route = route, http.status = status.as_u16(), %error, "request failed");
            }
            // Whoever watches asks every other second: the state is no news.
            Some(error) if route.starts_with("/api/health") => {
                tracing::debug!(http.route = route, http.status = status.as_u16(), %error, "not healthy");
            }
            Some(error) => {
                tracing::info!(http.route = route, http.status = status.as_u16(), %error, "request refused");
            }
            None => tracing::debug!(
                http.route = route,
                http.status = status.as_u16(),
                took_ms = self.began.elapsed().as_secs_f64() * 1e3,
                "request answered"
            ),
        }
        let span = Span::current();
        span.record("http.route", route);
        span.record("http.status", i64::from(status.as_u16()));
    }
}

/// Logs a panic, with its words: they are ours, and the client gets none of them.
fn panicked(panic: &(dyn std::any::Any + Send)) -> ApiError {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words");
    tracing::error!(panic = words, "a request handler panicked");
    ApiError::panicked()
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpRequest, body::to_bytes, test, web};
    use orchestratai_shared::{ErrorBody, ErrorCode};
    use orchestratai_telemetry::BuildInfo;

    use super::*;

    #[core::prelude::v1::test]
    fn a_path_is_told_without_whom_it_is_about() {
        for (path, told) in [
            ("/api/chat", "/api/chat"),
            ("/api/users/ada@example.com/memory", "/api/users/…/memory"),
            ("/api/users/ada/memory/7", "/api/users/…/memory/…"),
            ("/api/users/ada", "/api/users/…"),
            ("/api/users/ada/else", "/api/users/…"),
        ] {
            assert_eq!(told_path(path), told);
        }
    }

    async fn error_body(response: HttpResponse) -> ErrorBody {
        let bytes = to_bytes(response.into_body()).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[actix_web::test]
    async fn a_panic_is_an_error_in_the_one_shape_and_nothing_else_suffers() {
        async fn handle(request: HttpRequest) -> &'static str {
            tokio::task::yield_now().await;
            assert!(request.path() != "/panics", "a secret of ours");
            "fine"
        }
        let metrics = Metrics::new(&BuildInfo::default());
        let gate = Arc::new(Gate::new(Vec::new(), false));
        let app = App::new()
            .route("/{any}", web::get().to(handle))
            .wrap(Edge::new(gate, metrics.clone()));
        let app = test::init_service(app).await;
        let request = |path| {
            test::TestRequest::get()
                .uri(path)
                .insert_header(("x-request-id", "r1"))
                .to_request()
        };

        let panicked = test::try_call_service(&app, request("/panics")).await.err().unwrap();
        let response = panicked.error_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get("x-request-id").unwrap(), "r1");
        assert_eq!(response.headers().get("x-content-type-options").unwrap(), "nosniff");
        let error = error_body(response).await.error;
        assert_eq!(
            (error.code, error.request_id.as_str()),
            (ErrorCode::InternalError, "r1")
        );
        assert!(!error.message.contains("secret"), "{}", error.message);

        let fine = test::call_service(&app, request("/fine")).await;
        assert_eq!(fine.status(), StatusCode::OK);
        let text = metrics.render();
        assert!(text.contains(r#"route="unmatched",status="500"} 1"#), "{text}");
        assert!(text.contains(r#"route="/{any}",status="200"} 1"#), "{text}");
    }

    #[actix_web::test]
    async fn what_the_framework_refuses_has_our_shape_and_keeps_its_headers() {
        let gate = Arc::new(Gate::new(Vec::new(), true));
        let metrics = Metrics::new(&BuildInfo::default());
        async fn refuse() -> HttpResponse {
            HttpResponse::ImATeapot()
                .insert_header(("allow", "BREW"))
                .body("short and stout")
        }
        let app = App::new()
            .route("/tea", web::get().to(refuse))
            .wrap(Edge::new(gate, metrics));
        let app = test::init_service(app).await;
        let cases = [
            ("/tea", "localhost", ErrorCode::ValidationError),
            ("/nope", "localhost", ErrorCode::NotFound),
            ("/tea", "evil.example", ErrorCode::Forbidden),
        ];
        for (path, host, code) in cases {
            let request = test::TestRequest::get().uri(path).insert_header(("host", host));
            let response = test::call_service(&app, request.to_request()).await;
            assert_eq!(response.status().as_u16(), code.http_status(), "{path}");
            assert_eq!(
                response.headers().contains_key("allow"),
                path == "/tea" && host == "localhost"
            );
            let bytes = test::read_body(response).await;
            assert_eq!(
                serde_json::from_slice::<ErrorBody>(&bytes).unwrap().error.code,
                code,
                "{path}"
            );
        }
    }
}
