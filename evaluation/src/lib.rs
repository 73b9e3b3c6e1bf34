//! How good answers are: labelled sets of questions, messages and pairs, and what is measured on them.
//!
//! A set has two parts: one to develop on, whose cases may be looked at one by one, and one that only decides. Figures of the
//! second are what is claimed; nothing is ever tuned to it.

pub mod answers;
pub mod cache;
pub mod calibration;
mod estimate;
pub mod fitting;
pub mod judge;
pub mod report;
pub mod retrieval;
pub mod routing;
mod set;
pub mod support;

pub use estimate::{Estimate, difference};
pub use set::{
    CacheKind, CachePair, Evaluation, Gold, Part, Question, QuestionKind, SetError, Utterance, UtteranceKind,
};
