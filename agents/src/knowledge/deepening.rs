//! The making of what the second stage needs: vectors of the chunks of an index, by the transformer or a provider's model.
//!
//! They take minutes where the chunks are many, so they are read where anybody has made them, and several nodes share what is left: each
//! claims some documents, makes the vectors of their chunks, and keeps them where the others read them. Without the store of documents
//! a node makes all by itself.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Cascade, DocumentId, DocumentStore, DocumentStoreError, IndexPart, Knowledge, KnowledgeError, blocking,
    chunk_vectors::{ChunkVectors, TextKey},
    index::CollectionIndex,
    index_parts::vectors_of,
    progress::{Counter, Work},
    vector_watch::{EmbedderStage, VectorOrigin, VectorWatch},
};

/// Chunks that are embedded before they are kept and progress is told: about a second's.
const STEP: usize = 64;
/// Documents whose vectors are read, or written, at once.
const DOCUMENTS_AT_ONCE: usize = 64;
/// A claim lasts so long, and so much longer for each chunk: many times what it takes. Who is gone is waited for as long.
const CLAIM: Duration = Duration::from_secs(10);
const CLAIM_PER_CHUNK: Duration = Duration::from_millis(250);
/// How often it is looked whether another node has made what it claimed.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How often progress is logged.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Makes the vectors of one index.
pub(super) struct Deepening<'a> {
    knowledge: &'a Knowledge,
    documents: &'a dyn DocumentStore,
    cascade: &'a Cascade,
    watch: &'a VectorWatch,
    index: &'a Arc<CollectionIndex>,
    /// The name under which they are kept.
    maker: String,
    vectors: ChunkVectors,
}

/// A document whose chunks are to be embedded.
#[derive(Debug, Clone)]
struct Wanted {
    document: DocumentId,
    revision: u64,
    chunks: Vec<(usize, TextKey)>,
}

impl<'a> Deepening<'a> {
    /// `model` is the name of the cascade's vectors.
    pub(super) fn new(
        knowledge: &'a Knowledge,
        cascade: &'a Cascade,
        model: &str,
        index: &'a Arc<CollectionIndex>,
    ) -> Self {
        Self {
            knowledge,
            documents: knowledge.0.documents.as_ref(),
            cascade,
            watch: &knowledge.0.vectors,
            index,
            maker: vectors_of(model),
            vectors: ChunkVectors::new(model),
        }
    }

    /// Gets the vectors that the index lacks, from wherever they are, and serves them; where nothing had to be made for that, another run
    /// sees to it that others can read them. Ends early where the index is served no more.
    ///
    /// # Errors
    /// [`KnowledgeError::Transformer`] and [`KnowledgeError::Provided`], and [`KnowledgeError::Io`] where they cannot be written beside the index.
    pub(super) async fn run(mut self) -> Result<(), KnowledgeError> {
        let began = Instant::now();
        let was_served = self.cascade.has_vectors(self.index);
        let without = match was_served {
            true => Some(self.without().await),
            false => None,
        };
        let is_of_index = |without: &BTreeSet<DocumentId>| {
            let mut documents = self.index.documents.iter();
            documents.any(|(document, _)| without.contains(document))
        };
        if without.as_ref().is_some_and(|without| !is_of_index(without)) {
            self.index.set_shared();
            return Ok(());
        }
        let wanted = self.take_what_is_here().await?;
        let here = self.vectors.by_key.len();
        let mut lacking: Vec<Wanted> = wanted.iter().filter(|wanted| self.lacks(wanted)).cloned().collect();
        self.read(&lacking).await;
        lacking.retain(|wanted| self.lacks(wanted));
        if !was_served && lacking.is_empty() {
            // Searches in all collections have them before other nodes do.
            return self.serve().await;
        }
        let without = match without {
            Some(without) => without,
            None => self.without().await,
        };
        let complete = wanted.iter().filter(|wanted| !self.lacks(wanted));
        let to_share = complete.filter(|wanted| without.contains(&wanted.document));
        let to_share: Vec<Wanted> = to_share.cloned().collect();
        self.keep(&to_share).await;
        let mut made = 0;
        if !lacking.is_empty() {
            let Some(made_here) = self.make(lacking).await? else {
                return Ok(());
            };
            made = made_here;
            self.serve().await?;
        }
        self.index.set_shared();
        tracing::debug!(
            collection = %self.index.collection,
            here,
            made,
            shared = to_share.len(),
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the vectors of the second stage are served"
        );
        Ok(())
    }

    /// Writes them beside the index, and serves them.
    async fn serve(&mut self) -> Result<(), KnowledgeError> {
        let (index, model) = (Arc::clone(self.index), self.vectors.model.clone());
        let vectors = std::mem::replace(&mut self.vectors, ChunkVectors::new(model));
        let serve = move || {
            index.write_transformer_vectors(&vectors)?;
            index.serve_transformer_vectors(&vectors);
            Ok(vectors)
        };
        self.vectors = blocking(serve).await?;
        Ok(())
    }

    /// The documents whose vectors nobody else can read yet.
    async fn without(&self) -> BTreeSet<DocumentId> {
        let without = self.documents.documents_without_part(&self.maker).await;
        without.unwrap_or_else(|error| {
            self.warn(
                "it is not known which vectors of the second stage others can read",
                &error,
            );
            BTreeSet::new()
        })
    }

    /// Takes the vectors that stand beside the index and those that are shipped. Gives what is wanted of each document.
    async fn take_what_is_here(&mut self) -> Result<Vec<Wanted>, KnowledgeError> {
        let (index, cascade, model) = (Arc::clone(self.index), self.cascade.clone(), self.vectors.model.clone());
        let take = move || {
            let mut vectors = index.known_transformer_vectors(&model);
            let document = |(document, revision): &(DocumentId, u64)| Wanted {
                document: *document,
                revision: *revision,
                chunks: Vec::new(),
            };
            let mut wanted: Vec<Wanted> = index.documents.iter().map(document).collect();
            let mut at = 0;
            for (chunk, key) in index.transformer_keys() {
                let document = index.chunks[chunk].origin.document_id;
                // Chunks stand in the order of their documents.
                while wanted[at].document != document {
                    at += 1;
                }
                wanted[at].chunks.push((chunk, key));
                if !vectors.by_key.contains_key(&key)
                    && let Some(shipped) = cascade.shipped(&key)
                {
                    vectors.by_key.insert(key, shipped.clone());
                }
            }
            vectors.keep_only(wanted.iter().flat_map(|wanted| &wanted.chunks).map(|(_, key)| *key));
            Ok((vectors, wanted))
        };
        let (vectors, wanted) = blocking(take).await?;
        self.vectors = vectors;
        Ok(wanted)
    }

    fn lacks(&self, wanted: &Wanted) -> bool {
        self.missing(wanted).next().is_some()
    }

    fn missing<'w>(&self, wanted: &'w Wanted) -> impl Iterator<Item = (usize, TextKey)> + use<'w, '_, 'a> {
        let chunks = wanted.chunks.iter().copied();
        chunks.filter(|(_, key)| !self.vectors.by_key.contains_key(key))
    }

    /// Reads what others have made of these documents. What is damaged counts as not there.
    async fn read(&mut self, wanted: &[Wanted]) {
        let mut read = 0;
        for wanted in wanted.chunks(DOCUMENTS_AT_ONCE) {
            let ids: Vec<DocumentId> = wanted.iter().map(|wanted| wanted.document).collect();
            let parts = match self.documents.index_parts(&ids, &[&self.maker]).await {
                Ok(parts) => parts,
                Err(error) => {
                    self.warn("the second stage's vectors of others cannot be read", &error);
                    break;
                }
            };
            for part in parts {
                let Some(found) = ChunkVectors::from_bytes(&part.body) else {
                    tracing::warn!(document.id = %part.document.0, "vectors of the second stage are damaged, and are made anew");
                    continue;
                };
                if found.model != self.vectors.model {
                    continue;
                }
                let of_it = wanted.iter().filter(|wanted| wanted.document == part.document);
                for (_, key) in of_it.flat_map(|wanted| &wanted.chunks) {
                    if let Some(vector) = found.by_key.get(key)
                        && self.vectors.by_key.insert(*key, vector.clone()).is_none()
                    {
                        read += 1;
                    }
                }
            }
        }
        self.watch.tell(EmbedderStage::Second, VectorOrigin::Read, read);
    }

    /// Keeps the vectors of these documents, which are all there, where others read them.
    async fn keep(&self, complete: &[Wanted]) {
        for wanted in complete.chunks(DOCUMENTS_AT_ONCE) {
            let part = |wanted: &Wanted| {
                let mut vectors = ChunkVectors::new(self.vectors.model.clone());
                let known = |(_, key): &(usize, TextKey)| Some((*key, self.vectors.by_key.get(key)?.clone()));
                vectors.by_key.extend(wanted.chunks.iter().filter_map(known));
                IndexPart {
                    document: wanted.document,
                    revision: wanted.revision,
                    maker: self.maker.clone(),
                    body: vectors.to_bytes(),
                }
            };
            let parts = wanted.iter().map(part).collect();
            if let Err(error) = self.documents.keep_index_parts(parts).await {
                self.warn("the second stage's vectors cannot be kept for others", &error);
                break;
            }
        }
    }

    /// Makes what is lacking, together with whoever else makes it. Gives how many vectors were made here; none where the index is
    /// served no more.
    async fn make(&mut self, mut lacking: Vec<Wanted>) -> Result<Option<usize>, KnowledgeError> {
        let of = lacking.iter().map(|wanted| self.missing(wanted).count()).sum();
        if of == 0 {
            return Ok(Some(0));
        }
        let watch = self.cascade.watch().clone();
        let counter = Counter::begin(&watch, Work::Chunks, of);
        let (mut made, mut left, mut told) = (0, of, Told::now());
        while !lacking.is_empty() {
            let mut of_others = Vec::new();
            for batch in self.batches(&lacking) {
                if !self.knowledge.serves(self.index) {
                    return Ok(None);
                }
                let claimed = self.claim(&batch).await;
                let (ours, others): (Vec<Wanted>, Vec<Wanted>) =
                    batch.into_iter().partition(|wanted| claimed.contains(&wanted.document));
                of_others.extend(others);
                // It may have been made between the last look and the claim.
                self.read(&ours).await;
                let ours: Vec<Wanted> = ours.into_iter().filter(|wanted| self.lacks(wanted)).collect();
                made += self.embed(&ours).await?;
                self.keep(&ours).await;
                left = self.tell_progress(&counter, &lacking, left);
                told.tell(self.index, of, left);
            }
            if !of_others.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
                self.read(&of_others).await;
            }
            lacking = of_others.into_iter().filter(|wanted| self.lacks(wanted)).collect();
            left = self.tell_progress(&counter, &lacking, left);
        }
        Ok(Some(made))
    }

    /// Documents that are claimed together: of a step's chunks, or one document where that has more.
    fn batches(&self, lacking: &[Wanted]) -> Vec<Vec<Wanted>> {
        let mut batches: Vec<Vec<Wanted>> = Vec::new();
        let mut chunks = 0;
        for wanted in lacking {
            let more = self.missing(wanted).count();
            chunks += more;
            match batches.last_mut() {
                Some(batch) if chunks <= STEP => batch.push(wanted.clone()),
                _ => {
                    chunks = more;
                    batches.push(vec![wanted.clone()]);
                }
            }
        }
        batches
    }

    async fn claim(&self, batch: &[Wanted]) -> BTreeSet<DocumentId> {
        let ids: Vec<DocumentId> = batch.iter().map(|wanted| wanted.document).collect();
        let chunks: usize = batch.iter().map(|wanted| wanted.chunks.len()).sum();
        let lasts = CLAIM + CLAIM_PER_CHUNK.saturating_mul(u32::try_from(chunks).unwrap_or(u32::MAX));
        match self.documents.claim_index_parts(&ids, &self.maker, lasts).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.warn("nobody can be asked who makes the second stage's vectors", &error);
                ids.into_iter().collect()
            }
        }
    }

    /// Makes what these documents lack; gives how many vectors.
    async fn embed(&mut self, wanted: &[Wanted]) -> Result<usize, KnowledgeError> {
        let missing: Vec<(usize, TextKey)> = wanted.iter().flat_map(|wanted| self.missing(wanted)).collect();
        for step in missing.chunks(STEP) {
            let texts = step.iter().map(|(chunk, _)| self.index.indexed_text(*chunk)).collect();
            let vectors = self.cascade.embed_chunks(texts).await?;
            self.watch
                .tell(EmbedderStage::Second, VectorOrigin::Embedded, vectors.len());
            self.vectors
                .by_key
                .extend(step.iter().map(|(_, key)| *key).zip(vectors));
        }
        Ok(missing.len())
    }

    /// Tells who waits, and gives how many vectors are left to be made, by whomever.
    fn tell_progress(&self, counter: &Counter<'_>, lacking: &[Wanted], left_before: usize) -> usize {
        let left = lacking.iter().map(|wanted| self.missing(wanted).count()).sum();
        counter.add(left_before.saturating_sub(left));
        left
    }

    fn warn(&self, what: &str, error: &DocumentStoreError) {
        let error = error as &(dyn std::error::Error + 'static);
        tracing::warn!(collection = %self.index.collection, error, "{what}");
    }
}

/// When progress was logged last.
struct Told {
    began: Instant,
    at: Instant,
}

impl Told {
    fn now() -> Self {
        let now = Instant::now();
        Self { began: now, at: now }
    }

    fn tell(&mut self, index: &CollectionIndex, of: usize, left: usize) {
        if self.at.elapsed() < PROGRESS_EVERY || left == 0 {
            return;
        }
        self.at = Instant::now();
        let done = of.saturating_sub(left).max(1);
        let rest = self.began.elapsed().mul_f64(left as f64 / done as f64);
        tracing::info!(
            collection = %index.collection,
            done,
            of,
            remaining_s = rest.as_secs(),
            "the second stage reads chunks"
        );
    }
}
