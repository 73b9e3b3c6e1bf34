//! How the parts that others depend on are doing.

/// How a part is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// As it should be.
    Up,
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
}

/// A part that others depend on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ServiceHealth {
    /// Its name, such as `journal` or `knowledge`.
    pub name: String,
    /// How it is doing.
    pub state: ServiceState,
    /// More, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Looks how one part is doing; must not block.
pub type Probe = Box<dyn Fn() -> ServiceHealth + Send + Sync>;
