//! BM25 over tantivy's postings, word by word.
//!
//! A query here is a handful of words over one segment, and its scores are wanted for all chunks, since they are fused
//! with the cosine of each. So the postings are added up directly; tantivy's query tree would sort by BM25 alone first.

use std::{path::Path, sync::Arc};

use tantivy::{
    DocSet as _, Index, InvertedIndexReader, ReloadPolicy, TERMINATED, TantivyDocument, Term,
    directory::{Directory as _, MmapDirectory, RamDirectory},
    fieldnorm::FieldNormReader,
    postings::Postings as _,
    schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::TokenizerManager,
};

use crate::words::analyzer;

/// How soon more of the same word stops to count.
const K1: f32 = 1.2;
/// How much the length of a chunk counts.
const B: f32 = 0.75;
/// The analyser's name in the schema.
const ANALYZER: &str = "english";
/// What the writer may use before it spills; it never does at this size of text.
const WRITER_BYTES: usize = 15_000_000;

/// The full-text index of one collection; document n is chunk n.
pub(crate) struct Lexical {
    field: Field,
    postings: Arc<InvertedIndexReader>,
    lengths: FieldNormReader,
    chunks: u64,
    /// `K1 * (1 - B + B * length / average length)` by the id of a length.
    norms: [f32; 256],
    // Keeps the files open.
    _index: Index,
}

/// A word of a question that the collection knows.
pub(crate) struct KnownWord {
    // Two blocks of postings stand in it, and the word is handed on several times.
    postings: Box<tantivy::postings::SegmentPostings>,
    /// How many chunks of the collection have it.
    pub(crate) chunks: u64,
}

/// How much a word says that `with` of `chunks` chunks have: its inverse document frequency.
pub(crate) fn inverse_document_frequency(chunks: u64, with: u64) -> f32 {
    let (with, without) = (with as f64, chunks.saturating_sub(with) as f64);
    (1.0 + (without + 0.5) / (with + 0.5)).ln() as f32
}

fn schema() -> (Schema, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_index_option(IndexRecordOption::WithFreqs);
    let field = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    (schema.build(), field)
}

/// Builds the index in memory. Gives its files by name: whoever writes them is free in how.
pub(crate) fn build<'a>(texts: impl Iterator<Item = &'a str>) -> tantivy::Result<Vec<(String, Vec<u8>)>> {
    let (schema, field) = schema();
    let directory = RamDirectory::create();
    let tokenizers = TokenizerManager::new();
    tokenizers.register(ANALYZER, analyzer());
    // One segment, with its documents in the order in which they are added.
    let mut writer = Index::builder()
        .schema(schema)
        .tokenizers(tokenizers)
        .single_segment_index_writer::<TantivyDocument>(directory.clone(), WRITER_BYTES)?;
    for text in texts {
        let mut document = TantivyDocument::new();
        document.add_text(field, text);
        writer.add_document(document)?;
    }
    let index = writer.finalize()?;
    let mut files = Vec::new();
    for path in index.directory().list_managed_files() {
        // `.store.temp` and the like are listed but gone.
        if directory.exists(&path)? {
            let bytes = directory.open_read(&path)?.read_bytes()?.to_vec();
            files.push((path.to_string_lossy().into_owned(), bytes));
        }
    }
    for name in ["meta.json", ".managed.json"] {
        files.push((name.to_owned(), directory.atomic_read(Path::new(name))?));
    }
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    Ok(files)
}

impl Lexical {
    /// Opens the index whose files stand in `folder`.
    pub(crate) fn open(folder: &Path) -> tantivy::Result<Self> {
        let index = Index::open(MmapDirectory::open(folder)?)?;
        index.tokenizers().register(ANALYZER, analyzer());
        let field = index.schema().get_field("text")?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let searcher = reader.searcher();
        let [segment] = searcher.segment_readers() else {
            return Err(tantivy::TantivyError::InternalError(format!(
                "there are {} segments instead of one",
                searcher.segment_readers().len()
            )));
        };
        let postings = segment.inverted_index(field)?;
        let lengths = segment.get_fieldnorms_reader(field)?;
        let chunks = u64::from(segment.max_doc());
        let average = (postings.total_num_tokens() as f32 / chunks.max(1) as f32).max(1.0);
        let norms = std::array::from_fn(|id| {
            let length = FieldNormReader::id_to_fieldnorm(u8::try_from(id).unwrap_or(u8::MAX));
            K1 * (1.0 - B + B * length as f32 / average)
        });
        Ok(Self {
            field,
            postings,
            lengths,
            chunks,
            norms,
            _index: index,
        })
    }

    /// How many chunks it holds.
    pub(crate) fn len(&self) -> u64 {
        self.chunks
    }

    /// Looks a word up; none where no chunk has it.
    pub(crate) fn word(&self, word: &str) -> tantivy::Result<Option<KnownWord>> {
        let term = Term::from_field_text(self.field, word);
        let Some(info) = self.postings.get_term_info(&term)? else {
            return Ok(None);
        };
        let postings = self
            .postings
            .read_postings_from_terminfo(&info, IndexRecordOption::WithFreqs)?;
        Ok(Some(KnownWord {
            postings: Box::new(postings),
            chunks: u64::from(info.doc_freq),
        }))
    }

    /// Adds the BM25 of one word, which says as much as `idf`, to `scores`, which has a place for each chunk.
    pub(crate) fn add_scores(&self, word: KnownWord, idf: f32, scores: &mut [f32]) {
        let KnownWord { mut postings, .. } = word;
        let weight = idf * (K1 + 1.0);
        let mut chunk = postings.doc();
        while chunk != TERMINATED {
            if let Some(score) = scores.get_mut(chunk as usize) {
                let uses = postings.term_freq() as f32;
                let norm = self.norms[usize::from(self.lengths.fieldnorm_id(chunk))];
                *score += weight * uses / (uses + norm);
            }
            chunk = postings.advance();
        }
    }

    /// The largest BM25 that words of these frequencies can reach: `sum(idf) * (K1 + 1)`.
    pub(crate) fn reachable(idf_sum: f32) -> f32 {
        idf_sum * (K1 + 1.0)
    }
}

impl std::fmt::Debug for Lexical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lexical")
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}
