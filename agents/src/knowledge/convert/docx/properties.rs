//! What a document says about itself.

use super::{
    super::{ConversionError, Converted, one_line, set_property},
    xml::{Token, Xml},
};

/// Reads `docProps/core.xml`.
///
/// # Errors
/// [`ConversionError`] where it is malformed.
pub(super) fn read(part: &str, converted: &mut Converted) -> Result<(), ConversionError> {
    let mut xml = Xml::new(part);
    while let Some(token) = xml.next()? {
        let Token::Open(element) = token else { continue };
        let name = match element.name() {
            "title" => "title",
            "creator" => "author",
            "description" => "description",
            "keywords" => "keywords",
            "language" => "language",
            "modified" => "date",
            _ => continue,
        };
        let text = xml.text()?;
        if name == "title" {
            converted.title = Some(one_line(&text)).filter(|title| !title.is_empty());
        } else {
            set_property(&mut converted.properties, name, &text);
        }
    }
    Ok(())
}
