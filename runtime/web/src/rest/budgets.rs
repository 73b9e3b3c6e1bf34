//! What language models may spend, and what they have spent of it.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, ServiceConfig},
};
use orchestratai_agents::budget::{Amount, Beyond, Budget, Scope, Standing, Window};
use orchestratai_shared::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, resource};
use crate::{
    error::ApiError,
    fields::{Fields, whole},
    openapi::{Busy, Invalid, Unexpected},
    site::{Site, busy},
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes.service(resource("/api/budgets", "GET, HEAD").route(get().to(list)));
}

/// The budgets of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Budgets {
    /// The budgets, by name.
    budgets: Vec<BudgetState>,
}

/// A budget, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BudgetState {
    /// Its name.
    name: String,
    /// Who has it: each of them has one of its own.
    scope: BudgetScope,
    /// In how long it may be spent.
    window: BudgetWindow,
    /// When the present window ends and the budget begins anew; left out where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    window_ends: Option<Timestamp>,
    /// What may be spent.
    limit: BudgetLimit,
    /// The share of it from which on there is a warning.
    #[schema(minimum = 0, maximum = 1)]
    at_warning: f64,
    /// What happens to a request that may cost more than is left.
    beyond: BudgetBeyond,
    /// Those who have spent something of it in the present window, first those who have least left.
    accounts: Vec<BudgetAccount>,
    /// Whether there are more of them.
    has_more: bool,
}

/// Who has a budget.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BudgetScope {
    /// Each turn.
    Turn,
    /// Each session.
    Session,
    /// Each user; those who are not known share one.
    User,
    /// Each agent.
    Agent,
    /// Each organization.
    Organization,
}

/// In how long a budget may be spent, by the calendar in UTC.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BudgetWindow {
    /// It never begins anew.
    None,
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

/// What happens to a request that may cost more than is left.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BudgetBeyond {
    /// It is not made.
    Stop,
    /// It is made, and there is a warning.
    Warn,
    /// Its turn waits until a person has decided.
    Ask,
}

/// What may be spent: tokens, or money, or neither beyond its bound.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetLimit {
    /// Tokens, sent and written together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    tokens: Option<u64>,
    /// USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    usd: Option<f64>,
}

/// One of those who have a budget.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetAccount {
    /// The organization.
    organization: String,
    /// The turn, session, user or agent of it, as the budget's scope says; left out for the organization, and for users who are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// What requests have cost that have ended.
    spent: BudgetAmount,
    /// What requests may cost at most that are under way.
    reserved: BudgetAmount,
}

/// So much of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetAmount {
    /// Tokens.
    tokens: u64,
    /// USD; of tokens whose price is known.
    #[schema(minimum = 0)]
    usd: f64,
}

/// The budgets of language models, and who has spent what of them.
///
/// They stand in the configuration. What is spent is that of all servers that share the database.
#[utoipa::path(
    get, path = "/api/budgets", operation_id = "listBudgets", tag = "agents",
    params((
        "limit" = Option<u64>, Query,
        description = "Accounts of each budget at most; 20 where it is left out.", minimum = 1, maximum = 200
    )),
    responses((status = 200, description = "The budgets.", body = Budgets), Invalid, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 20;
    const LIMIT_MAX: u64 = 200;
    let mut fields = Fields::of_query(request.query_string(), &["limit"]);
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    fields.finish(Some(()))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut budgets = Vec::new();
    for budget in site.books.budgets() {
        // One more than is wanted tells whether there are more.
        let standings = site.books.standings(budget, limit.saturating_add(1)).await;
        let (window_ends, standings) = standings.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how budgets stand cannot be read"
            );
            busy("How budgets stand cannot be read just now.")
        })?;
        budgets.push(state(budget, window_ends, &standings, limit));
    }
    Ok(HttpResponse::Ok().json(Budgets { budgets }))
}

fn state(budget: &Budget, window_ends: Option<Timestamp>, standings: &[Standing], limit: usize) -> BudgetState {
    BudgetState {
        name: budget.name.clone(),
        scope: match budget.scope {
            Scope::Turn => BudgetScope::Turn,
            Scope::Session => BudgetScope::Session,
            Scope::User => BudgetScope::User,
            Scope::Agent => BudgetScope::Agent,
            Scope::Organization => BudgetScope::Organization,
        },
        window: match budget.window {
            Window::Endless => BudgetWindow::None,
            Window::Hour => BudgetWindow::Hour,
            Window::Day => BudgetWindow::Day,
            Window::Month => BudgetWindow::Month,
        },
        window_ends,
        limit: BudgetLimit {
            tokens: budget.tokens,
            usd: budget.usd_nanos.map(|usd_nanos| Amount { tokens: 0, usd_nanos }.usd()),
        },
        at_warning: budget.at_warning,
        beyond: match budget.beyond {
            Beyond::Stop => BudgetBeyond::Stop,
            Beyond::Warn => BudgetBeyond::Warn,
            Beyond::Ask => BudgetBeyond::Ask,
        },
        accounts: standings.iter().take(limit).map(account).collect(),
        has_more: standings.len() > limit,
    }
}

fn account(standing: &Standing) -> BudgetAccount {
    let subject = &standing.account.subject;
    BudgetAccount {
        organization: standing.account.organization.as_ref().to_owned(),
        subject: (!subject.is_empty()).then(|| subject.as_ref().to_owned()),
        spent: amount(standing.charged.minus(standing.reserved)),
        reserved: amount(standing.reserved),
    }
}

fn amount(amount: Amount) -> BudgetAmount {
    BudgetAmount {
        tokens: amount.tokens,
        usd: amount.usd(),
    }
}
