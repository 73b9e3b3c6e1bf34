//! Searches of the knowledge base as it is served: which chunks, on which thread, and when the second stage is asked.

use std::{sync::Arc, time::Instant};

use super::{
    AskSecondStage, CollectionName, Filter, Knowledge, KnowledgeError, SearchResult, SecondStageUse, blocking,
    index::CollectionIndex, search::Search,
};

/// Up to this many chunks a search runs where it is called; beyond, on a blocking thread.
const INLINE_CHUNKS_MAX: usize = 2_000;

impl Knowledge {
    /// Searches collections for at most `limit` chunks, best first. A collection that does not exist has no chunks. Where the
    /// first stage is unsure, the second is waited for, if there is one.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the index fails.
    pub async fn search(
        &self,
        question: &str,
        collections: &[CollectionName],
        limit: usize,
    ) -> Result<SearchResult, KnowledgeError> {
        self.search_where(question, collections, &Filter::default(), limit)
            .await
    }

    /// As [`Self::search`], in the documents alone that `filter` admits.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn search_where(
        &self,
        question: &str,
        collections: &[CollectionName],
        filter: &Filter,
        limit: usize,
    ) -> Result<SearchResult, KnowledgeError> {
        self.search_with(question, collections, filter, limit, AskSecondStage::WhereUnsure)
            .await
    }

    /// As [`Self::search`], with a word on when the second stage is asked.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn search_as(
        &self,
        question: &str,
        collections: &[CollectionName],
        limit: usize,
        ask: AskSecondStage,
    ) -> Result<SearchResult, KnowledgeError> {
        self.search_with(question, collections, &Filter::default(), limit, ask)
            .await
    }

    async fn search_with(
        &self,
        question: &str,
        collections: &[CollectionName],
        filter: &Filter,
        limit: usize,
        ask: AskSecondStage,
    ) -> Result<SearchResult, KnowledgeError> {
        let began = Instant::now();
        let snapshot = self.snapshot();
        let indexes: Vec<Arc<CollectionIndex>> = collections
            .iter()
            .filter_map(|name| snapshot.collections.get(name).cloned())
            .collect();
        let chunks: usize = indexes.iter().map(|index| index.chunks.len()).sum();
        let mut search = Search::new(indexes, question, filter, limit, Arc::clone(&self.0.embedder));
        if chunks <= INLINE_CHUNKS_MAX {
            search.first_stage()?;
        } else {
            search = blocking(move || {
                search.first_stage()?;
                Ok(search)
            })
            .await?;
        }
        let used = self.second_stage(&mut search, ask).await;
        if let Some(cascade) = &self.0.cascade {
            cascade.tell(&used);
        }
        Ok(search.finish(snapshot.revision, used, began.elapsed()))
    }

    async fn second_stage(&self, search: &mut Search, ask: AskSecondStage) -> SecondStageUse {
        let Some(cascade) = &self.0.cascade else {
            return SecondStageUse::Absent;
        };
        if !search.indexes().iter().all(|index| cascade.has_vectors(index)) {
            return SecondStageUse::Absent;
        }
        let is_needed = match ask {
            AskSecondStage::WhereUnsure => !search.is_sure(),
            AskSecondStage::Always => true,
            AskSecondStage::Never => false,
        };
        if !is_needed {
            return SecondStageUse::NotNeeded;
        }
        let began = Instant::now();
        match cascade.embed(search.question()).await {
            Ok(vector) => {
                search.second_stage(&vector);
                SecondStageUse::Ranked { took: began.elapsed() }
            }
            Err(error) => SecondStageUse::Missed(error),
        }
    }
}
