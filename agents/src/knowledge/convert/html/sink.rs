//! Where the parser puts the elements and texts of a page.

use std::{borrow::Cow, cell::RefCell};

use html5ever::{
    Attribute, LocalName, Namespace, QualName,
    interface::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink},
    local_name, ns,
    tendril::StrTendril,
};

use super::{
    super::ConversionError,
    tree::{DOCUMENT, NONE, Node, NodeData, NodeId},
};

/// Elements and texts of a page.
const NODES_MAX: usize = 1_000_000;
/// The parser looks through all open elements for each new one: deep pages would take it quadratic time. Browsers stop here
/// as well.
const DEPTH_MAX: u16 = 512;
/// Children moved from one parent to another. A page with misnested elements can ask for it at every element.
const MOVES_MAX: usize = 20_000_000;

/// The attributes that say something about content; keeping all would keep what pages carry for scripts.
fn is_kept(name: &LocalName) -> bool {
    matches!(
        &**name,
        "alt"
            | "aria-hidden"
            | "class"
            | "colspan"
            | "content"
            | "hidden"
            | "href"
            | "lang"
            | "name"
            | "property"
            | "role"
            | "rowspan"
            | "start"
            | "style"
    )
}

#[derive(Debug)]
struct Arena {
    nodes: Vec<Node>,
    moves: usize,
    deepest: u16,
}

impl Arena {
    fn check(&self) -> Result<(), ConversionError> {
        let wrong = if self.nodes.len() > NODES_MAX {
            format!("more than {NODES_MAX} elements")
        } else if self.deepest > DEPTH_MAX {
            format!("elements nested deeper than {DEPTH_MAX}")
        } else if self.moves > MOVES_MAX {
            "too many misnested elements".to_owned()
        } else {
            return Ok(());
        };
        Err(ConversionError::TooLarge(wrong))
    }

    fn add(&mut self, data: NodeData) -> NodeId {
        let id =
            NodeId::try_from(self.nodes.len()).expect("pieces are small, and after each their number is looked at");
        self.nodes.push(Node::new(data));
        id
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    /// Puts a node below `parent`, before `next` or as its last child.
    fn insert(&mut self, parent: NodeId, next: NodeId, id: NodeId) {
        self.detach(id);
        let previous = if next == NONE {
            self.node(parent).last_child
        } else {
            self.node(next).previous
        };
        let depth = self.node(parent).depth.saturating_add(1);
        self.deepest = self.deepest.max(depth);
        let node = self.node(id);
        (node.parent, node.previous, node.next, node.depth) = (parent, previous, next, depth);
        match previous {
            NONE => self.node(parent).first_child = id,
            previous => self.node(previous).next = id,
        }
        match next {
            NONE => self.node(parent).last_child = id,
            next => self.node(next).previous = id,
        }
    }

    fn insert_text(&mut self, parent: NodeId, next: NodeId, text: &str) {
        let previous = if next == NONE {
            self.node(parent).last_child
        } else {
            self.node(next).previous
        };
        if previous != NONE
            && let NodeData::Text(before) = &mut self.node(previous).data
        {
            return before.push_str(text);
        }
        let id = self.add(NodeData::Text(text.to_owned()));
        self.insert(parent, next, id);
    }

    fn put(&mut self, parent: NodeId, next: NodeId, child: NodeOrText<NodeId>) {
        match child {
            NodeOrText::AppendNode(id) => self.insert(parent, next, id),
            NodeOrText::AppendText(text) => self.insert_text(parent, next, &text),
        }
    }

    fn detach(&mut self, id: NodeId) {
        let Node {
            parent, previous, next, ..
        } = *self.node(id);
        if parent == NONE {
            return;
        }
        match previous {
            NONE => self.node(parent).first_child = next,
            previous => self.node(previous).next = next,
        }
        match next {
            NONE => self.node(parent).last_child = previous,
            next => self.node(next).previous = previous,
        }
        let node = self.node(id);
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
    }
}

/// What the parser of html5ever builds into. It never calls itself, however deep the page nests.
#[derive(Debug)]
pub(super) struct Sink(RefCell<Arena>);

impl Sink {
    /// Whether what was read so far is within the bounds.
    ///
    /// # Errors
    /// [`ConversionError::TooLarge`] where it is not.
    pub(super) fn check(&self) -> Result<(), ConversionError> {
        self.0.borrow().check()
    }
}

impl Default for Sink {
    fn default() -> Self {
        Self(RefCell::new(Arena {
            nodes: vec![Node::new(NodeData::Other)],
            moves: 0,
            deepest: 0,
        }))
    }
}

/// The name of an element: a copy, since the arena may grow meanwhile.
#[derive(Debug)]
pub(super) struct Name(QualName);

impl ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

impl TreeSink for Sink {
    type Handle = NodeId;
    type Output = Result<Vec<Node>, ConversionError>;
    type ElemName<'a> = Name;

    fn finish(self) -> Self::Output {
        self.check()?;
        Ok(self.0.into_inner().nodes)
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        DOCUMENT
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Name {
        match &self.0.borrow().nodes[*target as usize].data {
            NodeData::Element { name, .. } => Name(name.clone()),
            NodeData::Text(_) | NodeData::Other => Name(QualName::new(None, ns!(), local_name!(""))),
        }
    }

    fn create_element(&self, name: QualName, mut attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        attributes.retain(|attribute| is_kept(&attribute.name.local));
        let attributes = attributes
            .into_iter()
            .map(|attribute| (attribute.name.local, attribute.value))
            .collect();
        let mut arena = self.0.borrow_mut();
        let id = arena.add(NodeData::Element { name, attributes });
        if flags.template {
            let content = arena.add(NodeData::Other);
            arena.node(id).template = content;
        }
        id
    }

    fn create_comment(&self, _: StrTendril) -> NodeId {
        self.0.borrow_mut().add(NodeData::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> NodeId {
        self.0.borrow_mut().add(NodeData::Other)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.0.borrow_mut().put(*parent, NONE, child);
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        let mut arena = self.0.borrow_mut();
        match arena.node(*element).parent {
            NONE => arena.put(*previous, NONE, child),
            parent => arena.put(parent, *element, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.0.borrow_mut().node(*target).template
    }

    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        let mut arena = self.0.borrow_mut();
        let parent = arena.node(*sibling).parent;
        arena.put(parent, *sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        if let NodeData::Element { attributes: known, .. } = &mut self.0.borrow_mut().node(*target).data {
            for attribute in attributes {
                let name = attribute.name.local;
                if is_kept(&name) && !known.iter().any(|(known, _)| *known == name) {
                    known.push((name, attribute.value));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.0.borrow_mut().detach(*target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        let mut arena = self.0.borrow_mut();
        loop {
            match arena.node(*node).first_child {
                NONE => break,
                child => arena.insert(*new_parent, NONE, child),
            }
            arena.moves += 1;
        }
    }
}
