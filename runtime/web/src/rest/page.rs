//! Pages of a list, newest last.

use orchestratai_shared::Invalid;

use crate::{
    error::ApiError,
    fields::{Fields, parsed, whole},
};

/// Which page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageQuery<I> {
    /// Items at most.
    pub(crate) limit: usize,
    /// Only what is older than this item.
    pub(crate) before: Option<I>,
}

impl<I: std::str::FromStr<Err = Invalid>> PageQuery<I> {
    const LIMIT_DEFAULT: u64 = 50;
    const LIMIT_MAX: u64 = 200;

    /// Reads it from a query string.
    pub(crate) fn of(query: &str) -> Result<Self, ApiError> {
        let mut fields = Fields::of_query(query, &["limit", "before"]);
        let limit = fields
            .optional("limit", whole(1, Self::LIMIT_MAX))
            .unwrap_or(Self::LIMIT_DEFAULT);
        let page = Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            before: fields.optional("before", parsed),
        };
        fields.finish(Some(page))
    }
}
