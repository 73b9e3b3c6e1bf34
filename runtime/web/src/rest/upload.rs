//! Files in a `multipart/form-data` body.

use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, http::header, web::Payload};
use futures_util::StreamExt;
use orchestratai_agents::knowledge::{CollectionName, FILE_BYTES_MAX, FileKind, SourceFile};
use orchestratai_shared::{ErrorCode, Invalid};
use serde_json::Value;

use crate::{
    error::ApiError,
    fields::{Fields, parsed},
};

/// The longest body, all files together.
pub(super) const UPLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// So much more is read and dropped, so that a client that is still sending sees the answer.
const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files in one body.
const FILES_MAX: usize = 200;
/// A field that is no file, such as the collection's name.
const TEXT_BYTES_MAX: usize = 256;
/// A path longer than this is no path of a document.
const PATH_BYTES_MAX: usize = 512;
/// A body that has not come whole by then is refused.
const ARRIVAL_MAX: Duration = Duration::from_secs(120);

/// Files for a collection; at least one.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) collection: CollectionName,
    pub(super) files: Vec<SourceFile>,
}

impl Upload {
    /// Reads a body whose field `collection` names the collection, and whose fields `file` are the files.
    ///
    /// # Errors
    /// 415 for another type, 413 for a body that is too large, 400 that names what else is wrong.
    pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            let words = "The body must be multipart/form-data.";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, words));
        }
        let parts = tokio::time::timeout(ARRIVAL_MAX, read_parts(Multipart::new(request.headers(), payload)));
        let parts = parts.await.map_err(|_elapsed| {
            ApiError::invalid_field(
                "body",
                Invalid::new(format!("must arrive within {} s", ARRIVAL_MAX.as_secs())),
            )
        })??;
        parts.finish()
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Parts {
    bytes: usize,
    fields: serde_json::Map<String, Value>,
    files: Vec<(String, Vec<u8>)>,
}

async fn read_parts(mut body: Multipart) -> Result<Parts, ApiError> {
    let mut parts = Parts::default();
    while let Some(field) = body.next().await {
        let field = field.map_err(malformed)?;
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field
            .content_disposition()
            .and_then(|disposition| disposition.get_filename())
            .map(str::to_owned);
        let bytes = parts.read(field).await?;
        match (name.as_str(), file_name) {
            ("file", file_name) => parts.files.push((file_name.unwrap_or_default(), bytes)),
            ("collection", _) if bytes.len() <= TEXT_BYTES_MAX => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if parts.fields.insert(name, Value::String(text)).is_some() {
                    return Err(ApiError::invalid_field(
                        "collection",
                        Invalid::new("must stand there once"),
                    ));
                }
            }
            ("collection", _) => return Err(ApiError::invalid_field("collection", Invalid::new("is too long"))),
            // Unlike in JSON, where a later version may have more to say, a file under another name would be lost.
            (_, _) => {
                return Err(ApiError::invalid_field(
                    &name,
                    Invalid::new("is not known; files are `file`"),
                ));
            }
        }
        if parts.files.len() > FILES_MAX {
            return Err(ApiError::invalid_field(
                "file",
                Invalid::new(format!("must stand there at most {FILES_MAX} times")),
            ));
        }
    }
    if parts.bytes > UPLOAD_BYTES_MAX {
        Err(too_large())
    } else {
        Ok(parts)
    }
}

impl Parts {
    /// Reads one field. Once the body is too large, what comes is dropped.
    async fn read(&mut self, mut field: Field) -> Result<Vec<u8>, ApiError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = field.next().await {
            let chunk = chunk.map_err(malformed)?;
            self.bytes += chunk.len();
            if self.bytes > UPLOAD_BYTES_MAX + DRAINED_BYTES_MAX {
                return Err(too_large());
            }
            if self.bytes > UPLOAD_BYTES_MAX {
                bytes = Vec::new();
                self.files.clear();
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(bytes)
    }

    fn finish(self) -> Result<Upload, ApiError> {
        let mut fields = Fields::of(self.fields);
        let collection = fields.required("collection", parsed);
        if self.files.is_empty() {
            let _: Option<()> = fields.keep("file", Err(Invalid::new("is required")));
        }
        let mut files = Vec::with_capacity(self.files.len());
        for (path, bytes) in self.files {
            files.extend(fields.keep("file", file(path, bytes)));
        }
        fields.finish(collection.map(|collection| Upload { collection, files }))
    }
}

/// A path names a place below the collection's uploads, and no other. It is never opened, but shown and cited.
fn file(path: String, bytes: Vec<u8>) -> Result<SourceFile, Invalid> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_path = path.len() <= PATH_BYTES_MAX
        && path.split('/').all(is_plain)
        && !path.contains(|c: char| c.is_control() || c == '\\');
    if !is_path {
        return Err(Invalid::new(format!(
            "must have a relative path as its filename, without . and .., of at most {PATH_BYTES_MAX} bytes"
        )));
    }
    // What is of no kind that is read is told so where it is read, beside the files that are.
    let bytes_max = FileKind::of(&path).map_or(FILE_BYTES_MAX, FileKind::bytes_max);
    if bytes.len() as u64 > bytes_max {
        return Err(Invalid::new(format!("{path:?} must be at most {bytes_max} bytes long")));
    }
    Ok(SourceFile { path, bytes })
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::PayloadTooLarge,
        format!("The body must be at most {UPLOAD_BYTES_MAX} bytes long."),
    )
}

fn malformed(error: MultipartError) -> ApiError {
    ApiError::new(
        ErrorCode::ValidationError,
        format!("The request is not valid: {error}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_a_place_below_and_no_other() {
        for good in ["a.md", "guides/a b.md", "\u{e9}.txt"] {
            assert!(file(good.into(), Vec::new()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../a.md",
            "a/../b.md",
            "a//b",
            "a/",
            ".",
            "c:\\a.md",
            "a\nb",
            &"x".repeat(513),
        ] {
            assert!(file(bad.into(), Vec::new()).is_err(), "{bad:?}");
        }
    }
}
