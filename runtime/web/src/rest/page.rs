//! Pages of a list, newest last.

use orchestratai_actors::Refusal;
use orchestratai_shared::{ErrorCode, Invalid};

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

    /// Why the page could not be had. An item that is not there is another mistake than one that cannot be.
    pub(crate) fn refused(&self, refusal: Refusal) -> ApiError {
        if refusal.failure.code == ErrorCode::ValidationError && self.before.is_some() {
            unknown_cursor()
        } else {
            refusal.into()
        }
    }
}

/// `before` names nothing to page from.
pub(crate) fn unknown_cursor() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such item for `before` to page from.")
}
