//! Calls whose arguments are no JSON object: a model has made a mistake, or was cut off. No tool is called; the model is told what is wrong, and
//! may try again within its rounds.

use orchestratai_shared::levels::{LEVELS_MAX, is_within_levels};
use serde_json::Value;

use crate::language::ToolCall;

/// Bytes that the record keeps of what was written, and the model is shown again.
const WRITTEN_BYTES_MAX: usize = 4_096;

/// What the model is told of a call whose arguments are no object; `None` where they are one. What was written is cut to what is kept of it.
pub(super) fn refused(call: &mut ToolCall) -> Option<String> {
    let Value::String(written) = &mut call.arguments else {
        return None;
    };
    let wrong = wrong_with(written);
    if written.len() > WRITTEN_BYTES_MAX {
        let note = format!("\n[cut off: the whole had {} bytes]", written.len());
        written.truncate(written.floor_char_boundary(WRITTEN_BYTES_MAX - note.len()));
        *written += &note;
    }
    Some(format!(
        "Not called: its arguments {wrong}. Call it again with one JSON object that fits the tool's schema."
    ))
}

/// Says of what a model has written for arguments what is wrong with it. Nothing of the text itself: that stands beside it.
fn wrong_with(written: &str) -> String {
    match serde_json::from_str::<Value>(written) {
        Err(error) => format!("are no JSON ({error})"),
        Ok(value) if !is_within_levels(&value) => format!("have more than {LEVELS_MAX} levels"),
        Ok(Value::Null) => "are null".into(),
        Ok(Value::Array(_)) => "are an array".into(),
        Ok(Value::Bool(_) | Value::Number(_) | Value::String(_)) => "are a single value".into(),
        // Only where somebody has put it there as a text.
        Ok(Value::Object(_)) => "are an object within a text".into(),
    }
}

/// The same call with its arguments as a text, where they are nested too deeply to be kept as they are.
pub(crate) fn within_levels(mut call: ToolCall) -> ToolCall {
    if !is_within_levels(&call.arguments) {
        call.arguments = Value::String(call.arguments.to_string());
    }
    call
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(arguments: Value) -> ToolCall {
        ToolCall {
            id: "a".into(),
            name: "refund".into(),
            arguments,
            signature: None,
        }
    }

    #[test]
    fn it_is_said_what_is_wrong_and_not_what_was_written() {
        for (written, says) in [
            (
                "{\"card\": \"4111",
                "are no JSON (EOF while parsing a string at line 1 column 14)",
            ),
            ("[1]", "are an array"),
            ("null", "are null"),
            ("\"5\"", "are a single value"),
        ] {
            let mut call = call(written.into());
            let told = refused(&mut call).unwrap();
            assert!(told.contains(says) && !told.contains("4111"), "{told}");
            assert_eq!(call.arguments, Value::from(written));
        }
        assert_eq!(refused(&mut call(json!({"eur": 5}))), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_cut_between_letters() {
        let mut call = call("é".repeat(100_000).into());
        assert!(refused(&mut call).is_some());
        let kept = call.arguments.as_str().unwrap();
        assert!(kept.len() <= WRITTEN_BYTES_MAX && kept.len() > WRITTEN_BYTES_MAX - 8);
        assert!(kept.ends_with("[cut off: the whole had 200000 bytes]"), "{kept}");
    }

    #[test]
    fn what_is_nested_too_deeply_is_a_text() {
        let deep = (0..=LEVELS_MAX).fold(json!(1), |inner, _| json!({"in": inner}));
        let mut call = within_levels(call(deep.clone()));
        assert_eq!(call.arguments, Value::from(deep.to_string()));
        assert!(refused(&mut call).unwrap().contains("more than 64 levels"));
    }
}
