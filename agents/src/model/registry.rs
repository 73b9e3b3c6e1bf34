//! The models that there are, by the names that agent files have for them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{Extractive, Model};
use crate::embedder::StaticEmbedder;

/// Models by name: the embedded one, and those of the configuration.
#[derive(Clone)]
pub struct Models(BTreeMap<Arc<str>, Arc<dyn Model>>);

impl Models {
    /// The embedded model alone.
    #[must_use]
    pub fn embedded(embedder: &Arc<StaticEmbedder>) -> Self {
        let embedded: Arc<dyn Model> = Arc::new(Extractive::new(Arc::clone(embedder)));
        Self(BTreeMap::from([(Extractive::NAME.into(), embedded)]))
    }

    /// With one more, under its name.
    #[must_use]
    pub fn with(mut self, model: Arc<dyn Model>) -> Self {
        self.0.insert(model.name().into(), model);
        self
    }

    /// The model of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<dyn Model>> {
        self.0.get(name)
    }

    /// The names of all.
    #[must_use]
    pub fn names(&self) -> ModelNames {
        ModelNames(self.0.keys().cloned().collect())
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The models that an agent file may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelNames(Arc<[Arc<str>]>);

impl ModelNames {
    /// That of the embedded model, and others.
    #[must_use]
    pub fn with(others: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let others = others.into_iter().map(Into::into);
        Self(std::iter::once(Extractive::NAME.into()).chain(others).collect())
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| **known == *name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl Default for ModelNames {
    /// That of the embedded model alone.
    fn default() -> Self {
        Self::with(std::iter::empty::<&str>())
    }
}
