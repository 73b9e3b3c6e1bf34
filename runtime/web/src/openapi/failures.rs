//! How requests go wrong, for the document: a type for each set of statuses that go together.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident { $($status:literal: $description:literal,)+ })+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($status, $description)),+].into_iter().map(response).collect()
            }
        }
    )+};
}

failures! {
    /// Something in the path, the query or a header.
    Invalid {
        "400": "The request is not valid; `details` names each field that is not, where the body could be read at all.",
    }
    /// There is no such thing.
    NotFound {
        "404": "There is no such thing.",
    }
    /// It does not fit what there is.
    Conflict {
        "409": "It does not fit what there is: another message under the same key, or a turn that has ended or was cancelled.",
    }
    /// A JSON body.
    BadBody {
        "400": "The request is not valid; `details` names each field that is not, where the body could be read at all.",
        "413": "The body is too large.",
        "415": "The body is not of a type that is taken.",
    }
    /// No room, or not the time.
    Busy {
        "503": "There is no room just now, or the server starts or stops; `Retry-After` says when to come back.",
    }
    /// A defect of ours.
    Unexpected {
        "500": "Something went wrong on our side.",
    }
    /// What a turn may end in.
    TurnFailures {
        "404": "The session was erased before the turn ended.",
        "429": "A limit was reached; `Retry-After` says when to come back.",
        "500": "Something went wrong on our side.",
        "502": "A model provider failed.",
        "503": "There is no room just now, or the server stops; `Retry-After` says when to come back.",
        "504": "The turn took too long.",
    }
}

pub(super) fn response((status, description): (&str, &str)) -> (String, RefOr<Response>) {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ErrorBody")))
        .build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", body)
        .build();
    (status.to_owned(), response.into())
}
