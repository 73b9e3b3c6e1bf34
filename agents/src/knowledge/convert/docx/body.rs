//! The text of a document as markdown.

use std::collections::HashMap;

use super::{
    super::{
        ConversionError,
        markdown_writer::{MarkdownWriter, escape_inline},
        one_line,
    },
    numbering::Numbering,
    paragraph::Paragraph,
    styles::{Role, Styles, outline_level},
    table::Table,
    xml::{Element, Token, Xml},
};

/// What the text refers to.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) styles: Styles,
    pub(super) numbering: Numbering,
    /// Texts of notes, by the kind and the id that the text has for them.
    pub(super) notes: HashMap<String, String>,
    /// Where links lead, by the ids that the text has for them.
    pub(super) links: HashMap<String, String>,
}

/// The text of a document.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) markdown: String,
    /// The words of its first paragraph in the style of a title, else of its first heading of the first level.
    pub(super) title: Option<String>,
}

/// Reads `footnotes.xml` or `endnotes.xml`: the texts of notes of a kind.
///
/// # Errors
/// [`ConversionError`] where it is malformed.
pub(super) fn notes(part: &str, kind: &str) -> Result<HashMap<String, String>, ConversionError> {
    let mut notes = HashMap::new();
    let mut open: Option<(String, String)> = None;
    let mut xml = Xml::new(part);
    while let Some(token) = xml.next()? {
        match (token, &mut open) {
            // Those with a type are the lines that part notes from text.
            (Token::Open(element), _) if element.name() == kind && element.attribute("type").is_none() => {
                open = element
                    .attribute("id")
                    .map(|id| (format!("{kind} {id}"), String::new()));
            }
            (Token::Open(element), Some((_, text))) if element.name() == "t" => text.push_str(&xml.text()?),
            (Token::Open(element), _) if is_passed_over(element.name()) => xml.skip()?,
            (Token::Close(name), Some((_, text))) if name == "p" => text.push(' '),
            (Token::Close(name), Some(_)) if name == kind => notes.extend(open.take()),
            (Token::Open(_) | Token::Close(_) | Token::Text(_), _) => {}
        }
    }
    Ok(notes)
}

/// Reads the text.
///
/// # Errors
/// [`ConversionError`] where it is malformed, or longer than a document may be.
pub(super) fn read(part: &str, parts: Parts) -> Result<Content, ConversionError> {
    let mut reader = Reader {
        parts,
        writer: MarkdownWriter::default(),
        paragraphs: Vec::new(),
        tables: Vec::new(),
        code: String::new(),
        run: Run::default(),
        title: None,
        main_heading: None,
    };
    let mut xml = Xml::new(part);
    while let Some(token) = xml.next()? {
        match token {
            Token::Open(element) if is_passed_over(element.name()) => xml.skip()?,
            Token::Open(element) if element.name() == "t" => {
                let text = xml.text()?;
                reader.text(&text);
            }
            Token::Open(element) => reader.enter(&element),
            Token::Close(name) => reader.leave(&name),
            Token::Text(_) => {}
        }
    }
    reader.end_code();
    Ok(Content {
        markdown: reader.writer.finish()?,
        title: reader.title.or(reader.main_heading),
    })
}

/// What is no text of the document: what tracked changes took away or what was before them, what is there a second time for old
/// readers, and the names of fields.
fn is_passed_over(name: &str) -> bool {
    matches!(name, "del" | "moveFrom" | "Fallback" | "instrText" | "delText") || name.ends_with("Change")
}

/// A run that is open.
#[derive(Debug, Default)]
struct Run {
    is_code: bool,
    is_hidden: bool,
}

struct Reader {
    parts: Parts,
    writer: MarkdownWriter,
    /// Paragraphs that are open: one may hold a text box with paragraphs of its own.
    paragraphs: Vec<Paragraph>,
    /// Tables that are open, each in a cell of the one before.
    tables: Vec<Table>,
    /// Lines of code that have not been written yet.
    code: String,
    run: Run,
    title: Option<String>,
    main_heading: Option<String>,
}

impl Reader {
    fn text(&mut self, text: &str) {
        if let (Some(paragraph), false) = (self.paragraphs.last_mut(), self.run.is_hidden) {
            paragraph.push(text, self.run.is_code);
        }
    }

    fn enter(&mut self, element: &Element<'_>) {
        match element.name() {
            "p" => return self.paragraphs.push(Paragraph::default()),
            "tbl" => {
                self.end_code();
                return self.tables.push(Table::default());
            }
            "r" => return self.run = Run::default(),
            "rStyle" => return self.run.is_code = element.value().is_some_and(|id| self.parts.styles.is_code(&id)),
            "vanish" => return self.run.is_hidden = element.is_on(),
            "tab" => return self.text(" "),
            "noBreakHyphen" => return self.text("-"),
            _ => {}
        }
        self.enter_in_paragraph(element);
        self.enter_in_table(element);
    }

    fn enter_in_paragraph(&mut self, element: &Element<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut() else {
            return;
        };
        match element.name() {
            "pStyle" => paragraph.style = element.value().unwrap_or_default(),
            "outlineLvl" => paragraph.outline = outline_level(element),
            "numId" | "ilvl" => paragraph.place.take(element),
            "br" | "cr" => paragraph.break_line(),
            "hyperlink" => {
                let target = element
                    .attribute("id")
                    .and_then(|id| self.parts.links.get(&id).cloned());
                if let Some(target) = target {
                    paragraph.begin_link(target);
                }
            }
            "footnoteReference" | "endnoteReference" => {
                let kind = element.name().trim_end_matches("Reference");
                paragraph
                    .notes
                    .extend(element.attribute("id").map(|id| format!("{kind} {id}")));
            }
            _ => {}
        }
    }

    fn enter_in_table(&mut self, element: &Element<'_>) {
        let Some(table) = self.tables.last_mut() else { return };
        match element.name() {
            "tr" => table.begin_row(),
            "tc" => table.begin_cell(),
            "gridSpan" => table.span(element.value().and_then(|span| span.parse().ok()).unwrap_or(1)),
            "vMerge" if element.value().as_deref() != Some("restart") => table.go_on(),
            _ => {}
        }
    }

    fn leave(&mut self, name: &str) {
        match name {
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.write(paragraph);
                }
            }
            "hyperlink" => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.end_link();
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    table.end_cell();
                }
            }
            "tbl" => {
                let Some(table) = self.tables.pop() else { return };
                match self.tables.last_mut() {
                    // A cell is one line: a table in it is the words of its cells.
                    Some(outer) => table.finish().iter().flatten().for_each(|cell| outer.push(cell)),
                    None => self.writer.table(&table.finish()),
                }
            }
            _ => {}
        }
    }

    fn write(&mut self, mut paragraph: Paragraph) {
        let (words, plain) = paragraph.finish();
        let notes: Vec<String> = paragraph
            .notes
            .iter()
            .filter_map(|note| self.parts.notes.remove(note))
            .collect();
        if let Some(table) = self.tables.last_mut() {
            table.push(&words);
            notes.iter().for_each(|note| table.push(note));
            return;
        }
        let styled = self.parts.styles.role(&paragraph.style);
        let role = paragraph.outline.map_or(styled, Role::Heading);
        if role == Role::Code {
            self.code.push_str(&plain);
            self.code.push('\n');
            return;
        }
        self.end_code();
        self.write_as(role, &paragraph, &words);
        for note in notes {
            let mut words = String::new();
            escape_inline(&one_line(&note), &mut words);
            self.writer.continuation(&words);
        }
    }

    fn write_as(&mut self, role: Role, paragraph: &Paragraph, words: &str) {
        let line = one_line(words);
        if line.is_empty() {
            return;
        }
        match role {
            Role::Contents => {}
            Role::Title => {
                self.title.get_or_insert_with(|| line.clone());
                self.writer.heading(1, &line);
            }
            Role::Heading(level) => {
                if level == 1 {
                    self.main_heading.get_or_insert_with(|| line.clone());
                }
                self.writer.heading(level, &line);
            }
            Role::Quotation => self.writer.quotation(words),
            Role::Text | Role::Code => {
                let place = paragraph.place.or(self.parts.styles.list_place(&paragraph.style));
                match place.list {
                    // List 0 takes a paragraph out of the list of its style.
                    Some(list) if list > 0 => {
                        let level = place.level.unwrap_or(0) as usize;
                        let number = self.parts.numbering.count(list, level);
                        self.writer.item(level, number, words);
                    }
                    _ => self.writer.paragraph(words),
                }
            }
        }
    }

    fn end_code(&mut self) {
        let code = std::mem::take(&mut self.code);
        self.writer.code("", &code);
    }
}
