//! Search, what is searched, and what servers tell each other of answers.

use super::*;

impl Metrics {
    /// A search in the knowledge base took `duration`.
    pub fn retrieved(&self, strategy: RetrievalStrategy, duration: Duration) {
        self.0.retrieval_duration.get(strategy).observe(duration.as_secs_f64());
    }

    /// A search could ask the second stage; `took` is how long that took where it ranked.
    pub fn second_stage(&self, outcome: SecondStageOutcome, took: Option<Duration>) {
        self.0.second_stage.get(outcome).inc();
        if let Some(took) = took {
            self.0.second_stage_duration.observe(took.as_secs_f64());
        }
    }

    /// The index that is searched from now on: its revision, and the chunks of each collection. A collection that is not
    /// among them is gone.
    pub fn knowledge_served<'a>(&self, revision: u64, chunks: impl IntoIterator<Item = (&'a str, usize)>) {
        self.0.knowledge_revision.set(revision.cast_signed());
        self.0.knowledge_chunks.reset();
        for (collection, count) in chunks {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.0.knowledge_chunks.with_label_values(&[collection]).set(count);
        }
    }

    /// The vectors of so many chunks were computed.
    pub fn chunks_embedded(&self, stage: SearchStage, chunks: usize) {
        self.0.chunks_embedded.get(stage).inc_by(chunks as u64);
    }

    /// The vectors of so many chunks were read from the database.
    pub fn chunks_read(&self, stage: SearchStage, chunks: usize) {
        self.0.chunks_read.get(stage).inc_by(chunks as u64);
    }

    /// So many entries of the semantic cache that were to be sent to other servers have met this end.
    pub fn cache_entries_shared(&self, outcome: CacheShareOutcome, count: usize) {
        self.0.cache_entries_shared.get(outcome).inc_by(count as u64);
    }

    /// An entry of another server's semantic cache came in, and this became of it.
    pub fn cache_entry_received(&self, outcome: CacheReceiptOutcome) {
        self.0.cache_entries_received.get(outcome).inc();
    }
}
