//! What a page draws as text: pieces of it with their places (ISO 32000-1, 9).

use std::{collections::HashMap, rc::Rc};

use lopdf::{
    Dictionary, Object, ObjectId,
    content::{Content, Operation},
};

use super::{
    super::ConversionError,
    document::PdfDocument,
    font::{Font, Fonts},
    matrix::Matrix,
};

/// Forms drawn in forms, up to so deep: a form may draw itself.
const FORM_DEPTH_MAX: usize = 8;
/// Saved states; more are a mistake, or an attack.
const SAVED_MAX: usize = 256;
/// A gap within a string that is wider than this is a space between words, in em. Kerning stays below.
const WORD_GAP: f32 = 0.13;
/// A gap within a string that is wider than this parts it.
const PART_GAP: f32 = 1.0;

/// A piece of text that was drawn at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    /// Where it begins and ends along the line, and where its baseline lies, upwards, in points.
    pub(super) start: f32,
    pub(super) end: f32,
    pub(super) baseline: f32,
    /// The height of its letters, in points.
    pub(super) size: f32,
    pub(super) text: String,
    pub(super) is_bold: bool,
    pub(super) is_monospaced: bool,
    /// Which way it runs: quarter turns, counter-clockwise.
    turn: u8,
}

/// The text of a page, and how many of its glyphs no font explains.
#[derive(Debug, Default)]
pub(super) struct PageText {
    pub(super) spans: Vec<Span>,
    pub(super) glyphs: usize,
    pub(super) unknown_glyphs: usize,
}

/// Reads the text of a page. Text that runs another way than most of it is left out, such as watermarks, and what the page says is
/// no content of its own, such as running titles.
///
/// # Errors
/// [`ConversionError::TooLarge`] where the document has used up what all pages may take.
pub(super) fn read(document: &mut PdfDocument, page: ObjectId, fonts: &mut Fonts) -> Result<PageText, ConversionError> {
    let content = document.page_content(page)?;
    let resources = document
        .inherited(page, "Resources")
        .and_then(|resources| resources.as_dict().ok())
        .cloned();
    let mut reader = Reader {
        document,
        fonts,
        text: PageText::default(),
        forms: Vec::new(),
    };
    reader.run(&content, &resources.unwrap_or_default(), Matrix::IDENTITY)?;
    let mut text = reader.text;
    let mut turns = [0; 4];
    for span in &text.spans {
        turns[usize::from(span.turn)] += span.text.len();
    }
    let main = (0..4)
        .max_by_key(|turn| (turns[usize::from(*turn)], 4 - *turn))
        .unwrap_or(0);
    text.spans.retain(|span| span.turn == main);
    Ok(text)
}

struct Reader<'a> {
    document: &'a mut PdfDocument,
    fonts: &'a mut Fonts,
    text: PageText,
    /// Forms that are being drawn.
    forms: Vec<ObjectId>,
}

/// What `q` saves.
#[derive(Debug, Clone)]
struct State {
    page: Matrix,
    font: Option<Rc<Font>>,
    size: f32,
    letter_gap: f32,
    word_gap: f32,
    stretch: f32,
    leading: f32,
    rise: f32,
}

impl State {
    const fn new(page: Matrix) -> Self {
        Self {
            page,
            font: None,
            size: 1.0,
            letter_gap: 0.0,
            word_gap: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

/// Where text is put next, and where its line began.
#[derive(Debug, Clone, Copy)]
struct TextPlace {
    at: Matrix,
    line: Matrix,
}

impl TextPlace {
    fn move_line(&mut self, x: f32, y: f32) {
        self.line = Matrix::moved(x, y).then(self.line);
        self.at = self.line;
    }
}

impl Reader<'_> {
    fn run(&mut self, content: &[u8], resources: &Dictionary, page: Matrix) -> Result<(), ConversionError> {
        let mut state = State::new(page);
        let mut saved = Vec::new();
        let mut place = TextPlace {
            at: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
        };
        // How many marked contents are open, and at which of them one began that is no content.
        let (mut marked, mut artifact) = (0_usize, None);
        // A font may stand among the resources itself, and would be read anew each time.
        let mut fonts: HashMap<Vec<u8>, Option<Rc<Font>>> = HashMap::new();
        for operation in Content::decode_iter(content) {
            // Behind an error nothing can be told apart any more; what came before is kept.
            let Ok(Operation { operator, operands }) = operation else {
                break;
            };
            match operator.as_str() {
                "q" if saved.len() < SAVED_MAX => saved.push(state.clone()),
                "Q" => state = saved.pop().unwrap_or(state),
                "cm" => state.page = Matrix::read(&operands).unwrap_or(Matrix::IDENTITY).then(state.page),
                "BT" => {
                    place = TextPlace {
                        at: Matrix::IDENTITY,
                        line: Matrix::IDENTITY,
                    }
                }
                "BMC" | "BDC" => {
                    marked += 1;
                    let is_artifact = operands.first().and_then(|tag| tag.as_name().ok()) == Some(b"Artifact");
                    if is_artifact && artifact.is_none() {
                        artifact = Some(marked);
                    }
                }
                "EMC" => {
                    marked = marked.saturating_sub(1);
                    artifact = artifact.filter(|began| *began <= marked);
                }
                "Do" if artifact.is_none() => {
                    if let Some(Ok(name)) = operands.first().map(Object::as_name) {
                        self.draw(name, resources, state.page)?;
                    }
                }
                "Tf" => {
                    if let [name, size] = operands.as_slice()
                        && let (Ok(name), Ok(size)) = (name.as_name(), size.as_float())
                    {
                        let font = fonts.entry(name.to_vec());
                        state
                            .font
                            .clone_from(font.or_insert_with(|| self.fonts.get(self.document, resources, name)));
                        state.size = size;
                    }
                }
                operator => {
                    if let Some(shown) = state.step(&mut place, operator, &operands) {
                        self.show(&state, &mut place, shown, artifact.is_some());
                    }
                }
            }
        }
        Ok(())
    }

    /// Draws a form.
    fn draw(&mut self, name: &[u8], resources: &Dictionary, page: Matrix) -> Result<(), ConversionError> {
        let objects = self.document.dictionary(resources, "XObject");
        let Some(id) = objects.and_then(|objects| objects.get(name).ok()?.as_reference().ok()) else {
            return Ok(());
        };
        if self.forms.len() >= FORM_DEPTH_MAX || self.forms.contains(&id) {
            return Ok(());
        }
        let Ok(form) = self.document.objects().get_object(id).and_then(Object::as_stream) else {
            return Ok(());
        };
        if form.dict.get(b"Subtype").and_then(Object::as_name).ok() != Some(b"Form") {
            return Ok(());
        }
        let matrix = self
            .document
            .entry(&form.dict, "Matrix")
            .and_then(|matrix| Matrix::read(matrix.as_array().ok()?));
        let own = self.document.dictionary(&form.dict, "Resources").cloned();
        let content = self.document.form_content(id)?;
        self.forms.push(id);
        let page = matrix.unwrap_or(Matrix::IDENTITY).then(page);
        self.run(&content, own.as_ref().unwrap_or(resources), page)?;
        self.forms.pop();
        Ok(())
    }

    /// Puts strings and the gaps between them on the page.
    fn show(&mut self, state: &State, place: &mut TextPlace, shown: &[Object], is_artifact: bool) {
        let Some(font) = &state.font else { return };
        let mut span: Option<Span> = None;
        for object in shown {
            if let Ok(gap) = object.as_float() {
                // A gap is a part of an em to the left; without a limit it could lead out of what numbers can say.
                let gap = (-gap / 1000.0).clamp(-1_000.0, 1_000.0);
                place.at = Matrix::moved(gap * state.size * state.stretch, 0.0).then(place.at);
                if gap.abs() > PART_GAP {
                    self.text.spans.extend(span.take());
                } else if let Some(span) = span.as_mut().filter(|span| gap > WORD_GAP && !span.text.ends_with(' ')) {
                    span.text.push(' ');
                }
                continue;
            }
            let Ok(string) = object.as_str() else { continue };
            for glyph in font.glyphs(string) {
                let drawn = Matrix([state.size * state.stretch, 0.0, 0.0, state.size, 0.0, state.rise])
                    .then(place.at)
                    .then(state.page);
                let word_gap = if glyph.is_space { state.word_gap } else { 0.0 };
                let wide = (glyph.width * state.size + state.letter_gap + word_gap) * state.stretch;
                place.at = Matrix::moved(wide, 0.0).then(place.at);
                if is_artifact {
                    continue;
                }
                self.text.glyphs += 1;
                let Some(text) = glyph.text else {
                    self.text.unknown_glyphs += 1;
                    continue;
                };
                let Some(turn) = drawn.turn() else { continue };
                let (start, baseline) = drawn.turned_origin(turn);
                let end = Matrix::moved(glyph.width, 0.0).then(drawn).turned_origin(turn).0;
                let size = drawn.height() * font.height;
                if !(start.is_finite() && end.is_finite() && baseline.is_finite() && size.is_finite() && size > 0.0) {
                    continue;
                }
                let span = span.get_or_insert_with(|| Span {
                    start,
                    end,
                    baseline,
                    size,
                    text: String::new(),
                    is_bold: font.is_bold,
                    is_monospaced: font.is_monospaced,
                    turn,
                });
                span.end = span.end.max(end);
                push_text(&mut span.text, &text);
            }
        }
        self.text.spans.extend(span);
    }
}

impl State {
    /// Performs an operation on the state of text; gives what it shows.
    fn step<'a>(&mut self, place: &mut TextPlace, operator: &str, operands: &'a [Object]) -> Option<&'a [Object]> {
        let number = |at: usize| {
            operands
                .get(at)
                .and_then(|operand| operand.as_float().ok())
                .filter(|n| n.is_finite())
        };
        let first = number(0).unwrap_or(0.0);
        match operator {
            "Tc" => self.letter_gap = first,
            "Tw" => self.word_gap = first,
            "Tz" => self.stretch = first / 100.0,
            "TL" => self.leading = first,
            "Ts" => self.rise = first,
            "Td" => place.move_line(first, number(1).unwrap_or(0.0)),
            "TD" => {
                self.leading = -number(1).unwrap_or(0.0);
                place.move_line(first, -self.leading);
            }
            "Tm" => {
                if let Some(matrix) = Matrix::read(operands) {
                    (place.at, place.line) = (matrix, matrix);
                }
            }
            "T*" => place.move_line(0.0, -self.leading),
            "Tj" => return operands.get(..1),
            "TJ" => return operands.first()?.as_array().ok().map(Vec::as_slice),
            "'" => {
                place.move_line(0.0, -self.leading);
                return operands.get(..1);
            }
            "\"" => {
                (self.word_gap, self.letter_gap) = (first, number(1).unwrap_or(0.0));
                place.move_line(0.0, -self.leading);
                return operands.get(2..3);
            }
            _ => {}
        }
        None
    }
}

/// Adds text as it is written: ligatures as their letters, and no control characters.
fn push_text(into: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\u{fb00}' => into.push_str("ff"),
            '\u{fb01}' => into.push_str("fi"),
            '\u{fb02}' => into.push_str("fl"),
            '\u{fb03}' => into.push_str("ffi"),
            '\u{fb04}' => into.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => into.push_str("st"),
            c if c.is_whitespace() => into.push(' '),
            c if c.is_control() || c == '\u{feff}' => {}
            c => into.push(c),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A piece of text whose letters are half as wide as high.
    pub(in crate::knowledge::convert::pdf) fn span(start: f32, baseline: f32, size: f32, text: &str) -> Span {
        Span {
            start,
            end: start + 0.5 * size * text.chars().count() as f32,
            baseline,
            size,
            text: text.to_owned(),
            is_bold: false,
            is_monospaced: false,
            turn: 0,
        }
    }
}
