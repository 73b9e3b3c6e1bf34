//! The elements and texts of a page, in an arena.

use html5ever::{
    LocalName, QualName, ns, parse_document,
    tendril::{StrTendril, TendrilSink},
};

use super::{super::ConversionError, sink::Sink};

/// The bounds are looked at after each so many bytes: few enough that what they hold cannot go far beyond.
const PIECE_BYTES: usize = 1024;

/// Names a node: its place in the arena.
pub(super) type NodeId = u32;
/// Stands for no node.
pub(super) const NONE: NodeId = NodeId::MAX;
/// The page itself.
pub(super) const DOCUMENT: NodeId = 0;

/// A parsed page.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// What `<title>` holds.
    pub(super) title: Option<String>,
    /// What the page says about itself, by the names that front matter has for it.
    pub(super) properties: Vec<(&'static str, String)>,
}

/// An element, a text, or something else.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) data: NodeData,
    pub(super) parent: NodeId,
    pub(super) first_child: NodeId,
    pub(super) last_child: NodeId,
    pub(super) previous: NodeId,
    pub(super) next: NodeId,
    /// Where a `<template>` keeps its content, which is no part of the page.
    pub(super) template: NodeId,
    /// As it was put there; its own parent may have been moved since.
    pub(super) depth: u16,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum NodeData {
    Element {
        name: QualName,
        /// Those that say something about content.
        attributes: Vec<(LocalName, StrTendril)>,
    },
    Text(String),
    /// The document, a comment, or what is in none.
    Other,
}

impl Node {
    pub(super) fn new(data: NodeData) -> Self {
        Self {
            data,
            parent: NONE,
            first_child: NONE,
            last_child: NONE,
            previous: NONE,
            next: NONE,
            template: NONE,
            depth: 0,
        }
    }

    /// The name of an HTML element; none for texts and for elements of other languages.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.data {
            NodeData::Element { name, .. } if name.ns == ns!(html) => Some(&name.local),
            NodeData::Element { .. } | NodeData::Text(_) | NodeData::Other => None,
        }
    }

    /// An attribute, trimmed.
    pub(super) fn attribute(&self, wanted: &str) -> Option<&str> {
        match &self.data {
            NodeData::Element { attributes, .. } => {
                let found = attributes.iter().find(|(name, _)| &**name == wanted);
                found.map(|(_, value)| value.trim())
            }
            NodeData::Text(_) | NodeData::Other => None,
        }
    }
}

/// Parses a page.
///
/// # Errors
/// [`ConversionError::TooLarge`] where it has too many elements or nests them too deeply.
pub(super) fn parse(text: &str) -> Result<Tree, ConversionError> {
    let mut parser = parse_document(Sink::default(), html5ever::ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES.min(rest.len())));
        rest = after;
        parser.process(StrTendril::from(piece));
        parser.tokenizer.sink.sink.check()?;
    }
    let mut tree = Tree {
        nodes: parser.finish()?,
        title: None,
        properties: Vec::new(),
    };
    tree.read_head();
    Ok(tree)
}

impl Tree {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The whole page.
    pub(super) const fn root(&self) -> NodeId {
        DOCUMENT
    }

    pub(super) fn first_child(&self, id: NodeId) -> Option<NodeId> {
        Some(self.node(id).first_child).filter(|id| *id != NONE)
    }

    pub(super) fn next_sibling(&self, id: NodeId) -> Option<NodeId> {
        Some(self.node(id).next).filter(|id| *id != NONE)
    }

    pub(super) fn parent(&self, id: NodeId) -> NodeId {
        self.node(id).parent
    }

    /// The next node in the order of the page, within `top` and beside what is below `id`.
    pub(super) fn after(&self, id: NodeId, top: NodeId) -> Option<NodeId> {
        let mut at = id;
        while at != top {
            if let Some(next) = self.next_sibling(at) {
                return Some(next);
            }
            at = self.parent(at);
            if at == NONE {
                return None;
            }
        }
        None
    }

    /// The texts below a node, joined.
    pub(super) fn text(&self, top: NodeId) -> String {
        let mut text = String::new();
        let mut at = self.first_child(top);
        while let Some(id) = at {
            if let NodeData::Text(words) = &self.node(id).data {
                text.push_str(words);
            }
            at = self.first_child(id).or_else(|| self.after(id, top));
        }
        text
    }

    fn read_head(&mut self) {
        let mut properties = Vec::new();
        let mut title = None;
        let mut at = self.first_child(DOCUMENT);
        while let Some(id) = at {
            let node = self.node(id);
            match node.name() {
                Some("html") => properties.extend(node.attribute("lang").map(|lang| ("language", lang.to_owned()))),
                Some("title") if title.is_none() => title = Some(self.text(id)),
                Some("meta") => {
                    let name = node
                        .attribute("name")
                        .or(node.attribute("property"))
                        .unwrap_or_default();
                    let property = match name.to_ascii_lowercase().as_str() {
                        "description" | "og:description" | "dcterms.description" => Some("description"),
                        "keywords" => Some("keywords"),
                        "author" | "dcterms.creator" => Some("author"),
                        "date" | "dcterms.date" | "article:published_time" => Some("date"),
                        _ => None,
                    };
                    let content = node.attribute("content").map(str::to_owned);
                    properties.extend(property.zip(content));
                }
                Some("body") => break,
                _ => {}
            }
            at = self.first_child(id).or_else(|| self.after(id, DOCUMENT));
        }
        self.title = title;
        self.properties = properties;
    }
}
