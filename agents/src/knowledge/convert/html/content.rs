//! From the tree of a page to its content as markdown.

use super::{
    super::{
        ConversionError,
        markdown_writer::{MarkdownWriter, end_link, escape_inline, push_code},
        one_line,
    },
    element::{is_block, is_left_out, language},
    table::Table,
    tree::{Node, NodeData, NodeId, Tree},
};

/// The content of a page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) markdown: String,
    /// Its headings of the first level.
    pub(super) main_headings: Vec<String>,
}

/// Reads the main content: what stands in the only `<main>` or the only `<article>`, else everything.
///
/// # Errors
/// [`ConversionError::TooLarge`] where it is longer than a document may be.
pub(super) fn read(tree: &Tree) -> Result<Page, ConversionError> {
    let is_main = |node: &Node| node.name() == Some("main") || node.attribute("role") == Some("main");
    let is_article = |node: &Node| node.name() == Some("article");
    let layout = layout_tables(tree);
    for top in [only(tree, is_main), only(tree, is_article)].into_iter().flatten() {
        let page = Reader::new(tree, top, &layout).read()?;
        // A page that a script fills has an empty one.
        if !page.markdown.is_empty() {
            return Ok(page);
        }
    }
    Reader::new(tree, tree.root(), &layout).read()
}

/// The only visible node that is so; none where there are several, or nested ones.
fn only(tree: &Tree, is_wanted: impl Fn(&Node) -> bool) -> Option<NodeId> {
    let mut found = None;
    let mut at = tree.first_child(tree.root());
    while let Some(id) = at {
        let node = tree.node(id);
        if is_wanted(node) && !is_left_out(node, true) && found.replace(id).is_some() {
            return None;
        }
        at = tree.first_child(id).or_else(|| tree.after(id, tree.root()));
    }
    found
}

/// Tables that only place things on the page: those with headings or tables in them, and those that say so. By node.
fn layout_tables(tree: &Tree) -> Vec<NodeId> {
    let mut layout = Vec::new();
    let mut open: Vec<(NodeId, bool)> = Vec::new();
    let mut at = Some(tree.root());
    while let Some(id) = at {
        let node = tree.node(id);
        if let Some("table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6") = node.name()
            && let Some((_, is_layout)) = open.last_mut()
        {
            *is_layout = true;
        }
        if node.name() == Some("table") {
            open.push((id, matches!(node.attribute("role"), Some("presentation" | "none"))));
        }
        at = tree.first_child(id);
        let mut left = id;
        while at.is_none() {
            if let Some((table, is_layout)) = open.pop_if(|(table, _)| *table == left)
                && is_layout
            {
                layout.push(table);
            }
            if left == tree.root() {
                break;
            }
            at = tree.next_sibling(left);
            left = tree.parent(left);
        }
    }
    layout.sort_unstable();
    layout
}

/// A list that is open: the number of its next item where it is numbered.
#[derive(Debug)]
struct List {
    next: Option<u64>,
}

/// Goes through the nodes in order and keeps what is open.
struct Reader<'a> {
    tree: &'a Tree,
    top: NodeId,
    layout: &'a [NodeId],
    writer: MarkdownWriter,
    main_headings: Vec<String>,
    /// Words that have not been written yet.
    words: String,
    heading: Option<u8>,
    lists: Vec<List>,
    /// An item that has begun and has no words yet, with its number.
    item: Option<Option<u64>>,
    /// Whether a paragraph now would belong to an item.
    is_in_item: bool,
    quotations: usize,
    /// How many `<article>`, `<main>` and `<section>` are open.
    sections: usize,
    /// Inline code that is open.
    code: Option<String>,
    /// A code block that is open, with its language.
    block: Option<(String, String)>,
    /// A link that is open, and where its words begin.
    link: Option<(NodeId, usize)>,
    table: Option<Table>,
    is_in_caption: bool,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a Tree, top: NodeId, layout: &'a [NodeId]) -> Self {
        Self {
            tree,
            top,
            layout,
            writer: MarkdownWriter::default(),
            main_headings: Vec::new(),
            words: String::new(),
            heading: None,
            lists: Vec::new(),
            item: None,
            is_in_item: false,
            quotations: 0,
            sections: usize::from(top != tree.root()),
            code: None,
            block: None,
            link: None,
            table: None,
            is_in_caption: false,
        }
    }

    fn read(mut self) -> Result<Page, ConversionError> {
        let tree = self.tree;
        let mut at = tree.first_child(self.top);
        while let Some(id) = at {
            at = if self.enter(id) { tree.first_child(id) } else { None };
            let mut left = id;
            while at.is_none() && left != self.top {
                self.leave(left);
                at = tree.next_sibling(left);
                left = tree.parent(left);
            }
        }
        self.flush();
        Ok(Page {
            markdown: self.writer.finish()?,
            main_headings: self.main_headings,
        })
    }

    /// Takes a node in; false where what is in it is left out.
    fn enter(&mut self, id: NodeId) -> bool {
        let node = self.tree.node(id);
        if let NodeData::Text(text) = &node.data {
            self.take(text);
            return false;
        }
        if is_left_out(node, self.sections > 0) {
            return false;
        }
        let Some(name) = node.name() else {
            return true; // A comment, which has nothing in it.
        };
        if name == "sup" && self.is_reference(id) {
            return false;
        }
        match name {
            "br" => self.break_line(),
            "img" => self.take(node.attribute("alt").unwrap_or_default()),
            "a" if self.link.is_none() && self.code.is_none() && self.block.is_none() => {
                self.link = Some((id, self.words.len()));
            }
            "code" | "kbd" | "samp" | "tt" if self.block.is_none() && self.code.is_none() => {
                self.code = Some(String::new());
            }
            "code" => {
                if let (Some((_, language)), Some(named)) = (&mut self.block, language(node)) {
                    *language = named;
                }
            }
            _ if is_block(name) => {
                self.flush();
                self.enter_block(id, node, name);
            }
            _ => {}
        }
        true
    }

    /// Whether a raised sign is the number of a note, such as `[3]`, which an answer would show as if it cited something.
    fn is_reference(&self, id: NodeId) -> bool {
        let link = self.tree.first_child(id).map(|child| self.tree.node(child));
        link.is_some_and(|link| {
            link.name() == Some("a") && link.attribute("href").is_some_and(|href| href.contains('#'))
        })
    }

    fn enter_block(&mut self, id: NodeId, node: &Node, name: &str) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = name[1..].parse().ok(),
            "main" | "article" | "section" => self.sections += 1,
            "blockquote" => self.quotations += 1,
            "pre" if self.table.is_none() && self.block.is_none() => {
                self.block = Some((String::new(), language(node).unwrap_or_default()));
            }
            "ul" | "menu" | "dl" => self.lists.push(List { next: None }),
            "ol" => {
                let start = node
                    .attribute("start")
                    .and_then(|start| start.parse().ok())
                    .unwrap_or(1);
                self.lists.push(List { next: Some(start) });
            }
            "li" | "dt" | "dd" => {
                let number = self.lists.last_mut().and_then(|list| list.next.as_mut()).map(|next| {
                    *next = next.saturating_add(1);
                    *next - 1
                });
                // A definition stands below what it defines.
                self.is_in_item = name == "dd";
                self.item = Some(number);
            }
            "table" if self.table.is_none() && self.layout.binary_search(&id).is_err() => {
                self.table = Some(Table::default());
            }
            "caption" => self.is_in_caption = true,
            "tr" => {
                if let Some(table) = &mut self.table {
                    table.begin_row();
                }
            }
            "td" | "th" => {
                let span = |name| node.attribute(name).and_then(|span| span.parse().ok()).unwrap_or(1);
                if let Some(table) = &mut self.table {
                    table.begin_cell(span("colspan"), span("rowspan"));
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, id: NodeId) {
        let node = self.tree.node(id);
        let Some(name) = node.name() else { return };
        match name {
            "a" if self.link.is_some_and(|(link, _)| link == id) => self.end_link(node),
            "code" | "kbd" | "samp" | "tt" => self.end_code(),
            _ if is_block(name) && !is_left_out(node, self.sections > 0) => {
                self.flush();
                self.leave_block(name);
            }
            _ => {}
        }
    }

    fn leave_block(&mut self, name: &str) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = None,
            "main" | "article" | "section" => self.sections = self.sections.saturating_sub(1),
            "blockquote" => self.quotations = self.quotations.saturating_sub(1),
            "pre" => {
                if let Some((code, language)) = self.block.take() {
                    self.writer.code(&language, &code);
                }
            }
            "ul" | "ol" | "menu" | "dl" => {
                self.lists.pop();
                self.item = None;
                self.is_in_item = !self.lists.is_empty();
            }
            "li" | "dt" | "dd" => {
                self.item = None;
                self.is_in_item = false;
            }
            "caption" => self.is_in_caption = false,
            "td" | "th" => {
                if let Some(table) = &mut self.table {
                    table.end_cell();
                }
            }
            "table" => {
                if let Some(table) = self.table.take() {
                    self.writer.table(&table.finish());
                }
            }
            _ => {}
        }
    }

    /// Adds the text of a node to what is open.
    fn take(&mut self, text: &str) {
        if let Some((code, _)) = &mut self.block {
            return code.push_str(text);
        }
        if let Some(code) = &mut self.code {
            return code.push_str(text);
        }
        let has_space = self.words.is_empty() || self.words.ends_with([' ', '\n']);
        if text.starts_with(char::is_whitespace) && !has_space {
            self.words.push(' ');
        }
        let words = one_line(text);
        escape_inline(&words, &mut self.words);
        if !words.is_empty() && text.ends_with(char::is_whitespace) {
            self.words.push(' ');
        }
    }

    fn break_line(&mut self) {
        if let Some((code, _)) = &mut self.block {
            code.push('\n');
        } else if let Some(code) = &mut self.code {
            code.push(' ');
        } else if !self.words.is_empty() {
            self.words.truncate(self.words.trim_end().len());
            self.words.push('\n');
        }
    }

    fn end_code(&mut self) {
        if let Some(code) = self.code.take() {
            push_code(&mut self.words, &code);
        }
    }

    fn end_link(&mut self, node: &Node) {
        if let (Some((_, start)), Some(target)) = (self.link.take(), node.attribute("href")) {
            end_link(&mut self.words, start, target);
        }
    }

    /// Writes the words that have come together as the block that they are in.
    fn flush(&mut self) {
        self.end_code();
        self.link = None;
        let words = std::mem::take(&mut self.words);
        if words.trim().is_empty() {
            return;
        }
        if let Some(table) = self.table.as_mut().filter(|_| !self.is_in_caption) {
            table.push(&words);
        } else if let Some(level) = self.heading {
            if level == 1 {
                self.main_headings.push(one_line(&words));
            }
            self.writer.heading(level, &words);
        } else if let Some(number) = self.item.take() {
            let depth = self.lists.len().saturating_sub(1) + usize::from(self.is_in_item);
            self.writer.item(depth, number, &words);
            self.is_in_item = true;
        } else if self.is_in_item {
            self.writer.continuation(&words);
        } else if self.quotations > 0 {
            self.writer.quotation(&words);
        } else {
            self.writer.paragraph(&words);
        }
    }
}
