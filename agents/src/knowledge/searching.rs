//! Searches of the knowledge base as it is served: which chunks, on which thread, and when the second stage is asked.

use std::{sync::Arc, time::Instant};

use super::{
    AskSecondStage, Cascade, CollectionName, Filter, Knowledge, KnowledgeError, SearchResult, SecondStageUse, blocking,
    index::CollectionIndex, search::Search,
};
use crate::turn::Payer;

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
        self.search_paid_by(None, question, collections, filter, limit).await
    }

    /// As [`Self::search_where`], in a turn: what a provider takes for its vector of the question is that of `payer`.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn search_paid_by(
        &self,
        payer: Option<&Payer<'_>>,
        question: &str,
        collections: &[CollectionName],
        filter: &Filter,
        limit: usize,
    ) -> Result<SearchResult, KnowledgeError> {
        let wanted = Wanted {
            question,
            collections,
            filter,
            limit,
        };
        self.search_with(wanted, AskSecondStage::WhereUnsure, payer).await
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
        let wanted = Wanted {
            question,
            collections,
            filter: &Filter::default(),
            limit,
        };
        self.search_with(wanted, ask, None).await
    }

    async fn search_with(
        &self,
        wanted: Wanted<'_>,
        ask: AskSecondStage,
        payer: Option<&Payer<'_>>,
    ) -> Result<SearchResult, KnowledgeError> {
        let began = Instant::now();
        let snapshot = self.snapshot();
        let indexes: Vec<Arc<CollectionIndex>> = (wanted.collections.iter())
            .filter_map(|name| snapshot.collections.get(name).cloned())
            .collect();
        let embedder = Arc::clone(&self.0.embedder);
        let mut search = Search::new(indexes, wanted.question, wanted.filter, wanted.limit, embedder);
        if search.chunks() <= INLINE_CHUNKS_MAX {
            search.first_stage()?;
        } else {
            search = blocking(move || {
                search.first_stage()?;
                Ok(search)
            })
            .await?;
        }
        let used = match &self.0.cascade {
            Some(cascade) => {
                let (ranked, used) = second_stage(cascade, search, ask, payer).await?;
                search = ranked;
                cascade.tell(&used);
                used
            }
            None => SecondStageUse::Absent,
        };
        Ok(search.finish(snapshot.revision, used, began.elapsed()))
    }
}

/// What is searched for, and where.
struct Wanted<'a> {
    question: &'a str,
    collections: &'a [CollectionName],
    filter: &'a Filter,
    limit: usize,
}

async fn second_stage(
    cascade: &Cascade,
    mut search: Search,
    ask: AskSecondStage,
    payer: Option<&Payer<'_>>,
) -> Result<(Search, SecondStageUse), KnowledgeError> {
    let is_needed = match ask {
        // Where the first stage does not know a language it is sure of nonsense.
        AskSecondStage::WhereUnsure if cascade.is_provided() => search.chunks() > 0,
        AskSecondStage::WhereUnsure => !search.is_sure(),
        AskSecondStage::Always => true,
        AskSecondStage::Never => false,
    };
    if !search.indexes().iter().all(|index| cascade.has_vectors(index)) {
        let used = match is_needed {
            true => cascade.without_vectors(),
            false => SecondStageUse::Absent,
        };
        return Ok((search, used));
    }
    if !is_needed {
        return Ok((search, SecondStageUse::NotNeeded));
    }
    let began = Instant::now();
    let asked = match cascade.embed(search.question(), payer).await {
        Ok(asked) => asked,
        Err(missed) => return Ok((search, SecondStageUse::Missed(missed))),
    };
    let took = began.elapsed();
    if !cascade.is_provided() {
        search.second_stage(&asked);
    } else if search.chunks() <= INLINE_CHUNKS_MAX {
        search.second_stage_of_all(&asked);
    } else {
        search = blocking(move || {
            search.second_stage_of_all(&asked);
            Ok(search)
        })
        .await?;
    }
    Ok((search, SecondStageUse::Ranked { took }))
}
