//! What operators see: logs and traces.

use super::*;

pub(super) fn read_telemetry(r: &mut Reader) -> TracingSettings {
    let format = r.choice(
        "telemetry.log_format",
        &[("human", LogFormat::Human), ("json", LogFormat::Json)],
    );
    let filter = r.value(
        "telemetry.log_filter",
        "a filter such as info or warn,orchestratai_web=debug",
        |raw| {
            let settings = TracingSettings {
                format,
                filter: text(raw)?.to_owned(),
            };
            settings.check().is_ok().then_some(settings.filter)
        },
    );
    TracingSettings {
        format,
        filter: filter.unwrap_or_default(),
    }
}

pub(super) fn read_traces(r: &mut Reader) -> Option<TraceSettings> {
    let collector = r.value(
        "telemetry.traces_endpoint",
        format!("empty, or {}", CollectorAddress::ALLOWED),
        |raw| match text(raw)? {
            "" => Some(None),
            address => CollectorAddress::parse(address).map(Some),
        },
    );
    let headers = r.value(
        "telemetry.traces_headers",
        format!("empty, or {}", CollectorHeaders::ALLOWED),
        |raw| CollectorHeaders::parse(text(raw)?),
    );
    let sample_ratio = r.share("telemetry.traces_sample_ratio");
    let timeout = r.duration("telemetry.traces_timeout", TENTH..=MINUTE);
    let queue_max = r.integer("telemetry.traces_queue_max", 1..=1_000_000);
    let service_name = r.value("telemetry.service_name", "a name", |raw| {
        text(raw).filter(|name| !name.is_empty()).map(str::to_owned)
    });
    Some(TraceSettings {
        collector: collector.flatten()?,
        headers: headers.unwrap_or_default(),
        sample_ratio,
        timeout,
        queue_max: queue_max as usize,
        service_name: service_name.unwrap_or_default(),
    })
}
