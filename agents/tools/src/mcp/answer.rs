//! What a server's result is to a model.

use orchestratai_agents::tool::{ToolError, ToolOutput};
use rmcp::{
    model::{CallToolResult, ContentBlock, ResourceContents},
    service::ServiceError,
    transport::{DynamicTransportError, streamable_http_client::StreamableHttpError},
};

use crate::{connection::is_without_connection, text::beginning};

/// Bytes of what a server says of itself where a call has no result.
const TOLD_BYTES_MAX: usize = 1024;
/// The status of HTTP by which a server says that it takes no more just now.
const TOO_MANY_REQUESTS: u16 = 429;

/// The texts of a result, joined; of what is no text, that it is there.
pub(super) fn told(result: CallToolResult) -> Result<ToolOutput, ToolError> {
    let pieces: Vec<String> = result.content.into_iter().map(piece).collect();
    let mut content = pieces.join("\n");
    if content.is_empty()
        && let Some(structured) = &result.structured_content
    {
        content = structured.to_string();
    }
    if result.is_error == Some(true) {
        if content.is_empty() {
            content = "the tool has failed and does not say why".into();
        }
        return Err(ToolError::Failed(content));
    }
    Ok(ToolOutput {
        content,
        structured: result.structured_content,
    })
}

fn piece(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!("[an image, {}]", beginning(&image.mime_type, 64)),
        ContentBlock::Audio(audio) => format!("[audio, {}]", beginning(&audio.mime_type, 64)),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents { uri, .. } => format!("[data, {}]", beginning(&uri, 512)),
            _ => "[data of an unknown kind]".into(),
        },
        ContentBlock::ResourceLink(link) => format!("[a link: {}]", beginning(&link.uri, 512)),
        _ => "[content of an unknown kind]".into(),
    }
}

/// Why there is no list of tools, without addresses.
pub(super) fn not_listed(source: &str, error: &ServiceError) -> ToolError {
    match without_result(source, error) {
        // A list has no effect, and may be asked for again.
        ToolError::InDoubt(what) | ToolError::Failed(what) => ToolError::NotMade(what),
        error @ (ToolError::Arguments(_) | ToolError::NotMade(_) | ToolError::TimedOut(_)) => error,
    }
}

/// Why a call has no result, without addresses, and whether it may have been made. What the server itself says is for the model: that an
/// argument is wrong, that there is no such tool any more.
pub(super) fn without_result(source: &str, error: &ServiceError) -> ToolError {
    if let ServiceError::McpError(said) = error {
        let said = beginning(&said.message, TOLD_BYTES_MAX);
        return ToolError::Failed(format!("{source} refuses the call: {said}"));
    }
    let cause: &(dyn std::error::Error + 'static) = error;
    tracing::debug!(tools.source = source, error = cause, "a call of a tool has no result");
    let reason = match error {
        ServiceError::TransportSend(error) if has_not_left(error) => {
            return ToolError::NotMade(format!("{source} cannot be reached"));
        }
        ServiceError::TransportClosed => "went away during the call",
        ServiceError::TransportSend(_) => "broke off during the call",
        ServiceError::McpError(_)
        | ServiceError::UnexpectedResponse
        | ServiceError::SubscriptionLagged { .. }
        | ServiceError::Cancelled { .. }
        | ServiceError::Timeout { .. }
        | ServiceError::InputRequiredRoundsExceeded { .. }
        | _ => "does not answer as a server of the Model Context Protocol should",
    };
    ToolError::InDoubt(format!("{source} {reason}"))
}

/// Whether nothing can have come of what was to be sent. Where that is not certain, it is not so.
fn has_not_left(error: &DynamicTransportError) -> bool {
    let error = &error.error;
    // A pipe that nobody reads any more. A server takes whole lines, and the end of this one was not written.
    if error.downcast_ref::<std::io::Error>().is_some() {
        return true;
    }
    let Some(error) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() else {
        return false;
    };
    if let StreamableHttpError::Client(error) = error {
        return is_without_connection(error);
    }
    if let StreamableHttpError::HttpStatus(refused) = error {
        return refused.status == TOO_MANY_REQUESTS;
    }
    // It was refused for who sent it, before anybody looked at what it says; and by the protocol a server that does not know the session
    // does nothing.
    matches!(
        error,
        StreamableHttpError::AuthRequired(_)
            | StreamableHttpError::InsufficientScope(_)
            | StreamableHttpError::SessionExpired
            | StreamableHttpError::ReinitializationFailed(_)
            | StreamableHttpError::ReservedHeaderConflict(_)
    )
}
