//! A collector: takes OTLP over HTTP as others do, and keeps what it is sent.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span as ProtoSpan, span::SpanKind},
};
use prost::Message;

/// How long spans may take to come: they are sent once a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running collector.
pub(crate) struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    handle: ServerHandle,
}

/// One request.
struct Received {
    headers: BTreeMap<String, String>,
    request: ExportTraceServiceRequest,
}

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where it begins its trace.
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) is_server: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Traces and spans that it points at.
    pub(crate) links: Vec<(String, String)>,
    /// Of whom sent it.
    pub(crate) resource: BTreeMap<String, String>,
}

impl Collector {
    /// Starts on a free port.
    pub(crate) fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Starts on a port that was taken for it.
    pub(crate) fn start_on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (sender, handle) = mpsc::channel();
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let take = move |http: HttpRequest, body: web::Bytes| {
                    let taken = take(&http, &body);
                    kept.lock().unwrap().push(taken);
                    async { HttpResponse::Ok().content_type("application/x-protobuf").finish() }
                };
                let server = HttpServer::new(move || App::new().route("/v1/traces", web::post().to(take.clone())));
                let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self {
            address,
            received,
            handle: handle.recv().unwrap(),
        }
    }

    /// Where traces are to be sent.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that have come.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let resources = received.iter().flat_map(|received| &received.request.resource_spans);
        let spans = resources.flat_map(|of_one| {
            let resource = of_one.resource.as_ref().map(|resource| texts(&resource.attributes));
            let resource = resource.unwrap_or_default();
            let spans = of_one.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(move |span| Span::of(span, resource.clone()))
        });
        spans.collect()
    }

    /// All that has come, for a look whether something is in it.
    pub(crate) fn debug(&self) -> String {
        let received = self.received.lock().unwrap();
        received
            .iter()
            .map(|received| format!("{:?}", received.request))
            .collect()
    }

    /// The headers of the first request.
    pub(crate) fn headers(&self) -> BTreeMap<String, String> {
        let received = self.received.lock().unwrap();
        received
            .first()
            .map(|received| received.headers.clone())
            .unwrap_or_default()
    }

    /// The spans, once `is_enough` holds of them.
    pub(crate) async fn until(&self, is_enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let began = Instant::now();
        loop {
            let spans = self.spans();
            if is_enough(&spans) {
                return spans;
            }
            assert!(began.elapsed() < PATIENCE, "what has come is not enough: {spans:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // The command is sent at once; its end need not be waited for.
        drop(self.handle.stop(false));
    }
}

impl Span {
    fn of(span: &ProtoSpan, resource: BTreeMap<String, String>) -> Self {
        Self {
            name: span.name.clone(),
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            state: span.trace_state.clone(),
            is_server: span.kind == SpanKind::Server as i32,
            attributes: texts(&span.attributes),
            links: span
                .links
                .iter()
                .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                .collect(),
            resource,
        }
    }
}

fn take(http: &HttpRequest, body: &[u8]) -> Received {
    let headers = http.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Received {
        headers: headers.collect(),
        request: ExportTraceServiceRequest::decode(body).unwrap(),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = attributes.iter();
    attributes
        .map(|attribute| (attribute.key.clone(), text(&attribute.value)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
