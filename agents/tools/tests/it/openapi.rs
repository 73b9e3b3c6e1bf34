//! An HTTP API that a document describes.

use std::{fs, path::Path, time::Duration};

use orchestratai_agents::tool::{Effect, ToolError, ToolOutput, ToolSource};
use orchestratai_tools::{ApiToken, Approvals, Glob, OpenApiError, OpenApiOptions, OpenApiSource, Secret, SourceName};
use serde_json::{Value, json};

use crate::{
    api::Api,
    world::{call, limits, tool, until},
};

fn document() -> Value {
    let any = json!({ "responses": { "200": { "description": "Fine." } } });
    let node = json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" },
        "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Part" } },
    } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Orders", "version": "1" },
        // What a document says of servers is not believed.
        "servers": [{ "url": "http://127.0.0.1:9/elsewhere" }],
        "paths": {
            "/orders/{id}": {
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                "get": {
                    "operationId": "get order/№ 7",
                    "summary": "One order.",
                    "parameters": [
                        { "name": "fields", "in": "query", "schema": { "type": "array", "items": { "type": "string" } } },
                        { "name": "X-Trace", "in": "header", "schema": { "type": "string" } },
                        { "name": "Authorization", "in": "header", "schema": { "type": "string" } },
                    ],
                },
                "put": { "operationId": "replaceOrder", "requestBody": { "$ref": "#/components/requestBodies/Part" } },
                "delete": { "operationId": "deleteOrder" },
                "patch": { "operationId": "changeOrder" },
            },
            "/orders": { "post": { "operationId": "createOrder", "requestBody": { "$ref": "#/components/requestBodies/Part" } } },
            "/found": { "get": { "operationId": "findOrders", "parameters": [
                { "name": "filter", "in": "query", "content": { "application/json": { "schema": { "type": "object" } } } },
            ] } },
            "/notes": { "post": { "operationId": "noteOrder", "requestBody": { "required": true, "content": { "application/json": {
                "schema": { "type": "object", "required": ["id", "text"], "additionalProperties": false, "properties": {
                    "id": { "type": "string", "readOnly": true }, "text": { "type": "string" },
                } } } } } } },
            "/away": { "get": any }, "/missing": { "get": any }, "/nothing": { "get": any }, "/picture": { "get": any },
            "/huge": { "get": any }, "/hang": { "get": any }, "/drop": { "get": any },
            "/half": { "get": any }, "/slow": { "get": any },
        },
        "components": {
            "schemas": { "Part": node },
            "requestBodies": { "Part": { "required": true, "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Part" } } } } },
        },
    })
}

fn options(api: &Api, folder: &Path) -> OpenApiOptions {
    let path = folder.join("orders.json");
    fs::write(&path, document().to_string()).unwrap();
    OpenApiOptions {
        name: SourceName::new("shop").unwrap(),
        document: path,
        base_url: format!("http://{}/v1", api.address),
        token: None,
        operations: ["*rder*", "GET /*"].map(|glob| Glob::new(glob).unwrap()).into(),
        idempotency_key: false,
        limits: limits(),
        approvals: Approvals::default(),
    }
}

struct World {
    api: Api,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self {
            api: Api::start().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn source(&self, change: impl FnOnce(&mut OpenApiOptions)) -> OpenApiSource {
        let mut options = options(&self.api, self.folder.path());
        change(&mut options);
        OpenApiSource::new(&options).unwrap()
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        call(&tool(&self.source(|_| {}), name).await, &arguments).await
    }
}

#[tokio::test]
async fn an_operation_is_a_tool_whose_arguments_go_where_they_belong() {
    let world = World::new().await;
    let source = world.source(|options| {
        options.token = Some(ApiToken::new(None, Secret::new("canary")).unwrap());
    });
    let get = tool(&source, "shop_get_order___7").await;
    assert_eq!(get.offer().description, "One order.");
    assert_eq!(
        get.offer().parameters["required"],
        json!(["id"]),
        "{}",
        get.offer().parameters
    );
    assert_eq!(get.offer().parameters["properties"].get("Authorization"), None);
    let arguments = json!({ "id": "a/b ?#", "fields": ["x", "y&z"], "X-Trace": "t" });
    assert!(get.check(&arguments).is_ok());
    let output = call(&get, &arguments).await.unwrap();
    assert_eq!(
        (output.content.as_str(), output.structured),
        (r#"{"fine":true}"#, Some(json!({ "fine": true })))
    );
    let asked = &world.api.asked()[0];
    assert_eq!(asked.line, "GET /v1/orders/a%2Fb%20%3F%23?fields=x&fields=y%26z");
    assert_eq!(
        (
            asked.headers["x-trace"].as_str(),
            asked.headers["authorization"].as_str()
        ),
        ("t", "Bearer canary")
    );
    assert!(!asked.headers.contains_key("idempotency-key") && asked.body.is_empty());
}

#[tokio::test]
async fn a_body_is_checked_by_its_schema_circles_included() {
    let world = World::new().await;
    let create = tool(&world.source(|_| {}), "shop_createOrder").await;
    let body = |inner: Value| json!({ "body": { "name": "a", "parts": [inner] } });
    for wrong in [
        json!({}),
        body(json!({})),
        body(json!({ "name": "b", "parts": [{ "name": 1 }] })),
    ] {
        assert!(matches!(create.check(&wrong), Err(ToolError::Arguments(_))), "{wrong}");
    }
    let right = body(json!({ "name": "b", "parts": [] }));
    call(&create, &right).await.unwrap();
    let asked = &world.api.asked()[0];
    assert_eq!(asked.line, "POST /v1/orders");
    assert_eq!(asked.body, right["body"].to_string());
    assert_eq!(asked.headers["content-type"], "application/json");
    let key = asked.headers["idempotency-key"].clone();
    assert!(
        key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{key}"
    );
    // Another turn, of another user perhaps, whose provider gives its call the same name.
    call(&create, &right).await.unwrap();
    assert_ne!(world.api.asked()[1].headers["idempotency-key"], key);
}

#[tokio::test]
async fn a_parameter_whose_content_is_json_is_sent_as_json() {
    let world = World::new().await;
    let arguments = json!({ "filter": { "from": 1, "tags": ["a"] } });
    world.call("shop_findOrders", arguments).await.unwrap();
    assert_eq!(
        world.api.asked()[0].line,
        "GET /v1/found?filter=%7B%22from%22%3A1%2C%22tags%22%3A%5B%22a%22%5D%7D"
    );
}

#[tokio::test]
async fn what_an_api_alone_sets_is_not_asked_for() {
    let world = World::new().await;
    let note = tool(&world.source(|_| {}), "shop_noteOrder").await;
    let body = note.offer().parameters["properties"]["body"].clone();
    assert_eq!(
        (&body["required"], &body["properties"]),
        (&json!(["text"]), &json!({ "text": { "type": "string" } }))
    );
    assert!(matches!(
        note.check(&json!({ "body": { "id": "7", "text": "a" } })),
        Err(ToolError::Arguments(_))
    ));
    call(&note, &json!({ "body": { "text": "a" } })).await.unwrap();
    assert_eq!(world.api.asked()[0].body, r#"{"text":"a"}"#);
}

#[tokio::test]
async fn null_is_sent_where_a_document_of_3_0_allows_it_beside_a_reference() {
    let world = World::new().await;
    let source = world.source(|options| {
        let document = json!({
            "openapi": "3.0.3",
            "paths": { "/orders": { "post": { "operationId": "createOrder", "requestBody": { "content": { "application/json": {
                "schema": { "type": "object", "properties": { "note": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/Note" }] } } }
            } } } } } },
            "components": { "schemas": { "Note": { "type": "string" } } },
        });
        fs::write(&options.document, document.to_string()).unwrap();
    });
    let create = tool(&source, "shop_createOrder").await;
    call(&create, &json!({ "body": { "note": null } })).await.unwrap();
    assert_eq!(world.api.asked()[0].body, r#"{"note":null}"#);
    assert!(create.check(&json!({ "body": { "note": 1 } })).is_err());
}

#[tokio::test]
async fn what_a_call_may_leave_behind_is_what_its_method_says() {
    let world = World::new().await;
    for (idempotency_key, of_post) in [(false, Effect::Every), (true, Effect::Idempotent)] {
        let source = world.source(|options| options.idempotency_key = idempotency_key);
        for (name, effect) in [
            ("shop_get_order___7", Effect::None),
            ("shop_replaceOrder", Effect::Idempotent),
            ("shop_deleteOrder", Effect::Idempotent),
            ("shop_createOrder", of_post),
            ("shop_changeOrder", of_post),
        ] {
            assert_eq!(tool(&source, name).await.effect(), effect, "{name}");
        }
    }
}

#[tokio::test]
async fn no_argument_leads_to_another_path_or_host() {
    let world = World::new().await;
    for id in [
        "..",
        ".",
        "../../admin",
        "..\\..\\admin",
        "%2e%2e",
        "",
        "a\r\nHost: evil",
    ] {
        let refused = world.call("shop_get_order___7", json!({ "id": id })).await;
        assert!(matches!(refused, Err(ToolError::Arguments(_))), "{id:?} {refused:?}");
    }
    let line = world
        .call("shop_get_order___7", json!({ "id": "a", "X-Trace": "t\r\nX-Evil: 1" }))
        .await;
    assert!(matches!(line, Err(ToolError::Arguments(_))));
    assert_eq!(world.api.asked(), []);
    world
        .call("shop_get_order___7", json!({ "id": "@evil.example:80" }))
        .await
        .unwrap();
    assert_eq!(world.api.asked()[0].line, "GET /v1/orders/%40evil.example%3A80");
}

#[tokio::test]
async fn answers_of_all_kinds_are_told() {
    let world = World::new().await;
    let get = async |name: &str| world.call(&format!("shop_get_{name}"), json!({})).await;
    let failed = |what: &str| Err(ToolError::Failed(what.to_owned()));
    assert_eq!(
        get("away").await,
        failed("HTTP 302: the API sends elsewhere, which is not followed")
    );
    assert_eq!(
        get("missing").await,
        failed(r#"HTTP 404: {"error":"there is no such order"}"#)
    );
    // A gateway's word: what stands behind it may have done it.
    let in_doubt = ToolError::InDoubt(r#"HTTP 504: {"error":"no answer"}"#.into());
    assert_eq!(get("slow").await, Err(in_doubt));
    assert_eq!(get("nothing").await.unwrap().content, "[HTTP 204, without a body]");
    assert_eq!(get("picture").await.unwrap().content, "[data, image/png, 2 bytes]");
    let huge = get("huge").await.unwrap().content;
    assert!(huge.len() <= 4096 && huge.contains("[cut off"), "{}", huge.len());
    match get("drop").await {
        Err(ToolError::InDoubt(what)) => assert!(!what.contains("127.0.0.1"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_told_apart_whether_a_call_has_left_and_none_that_has_is_made_again() {
    let world = World::new().await;
    // It was read, and then the connection broke off: at once, or in the middle of the answer.
    for path in ["drop", "half"] {
        let lost = world.call(&format!("shop_get_{path}"), json!({})).await;
        let broke_off = "the connection to the API broke off during the call";
        assert_eq!(lost, Err(ToolError::InDoubt(broke_off.into())), "{path}");
        let line = format!("GET /v1/{path}");
        let asked = world.api.asked().iter().filter(|asked| asked.line == line).count();
        assert_eq!(asked, 1, "{path}");
    }
    // Nobody is there.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let source = world.source(|options| options.base_url = format!("http://{free}/v1"));
    let refused = call(&tool(&source, "shop_get_missing").await, &json!({})).await;
    assert_eq!(
        refused,
        Err(ToolError::NotMade("there is no connection to the API".into()))
    );
}

#[tokio::test]
async fn a_call_that_hangs_ends_and_closes_its_connection() {
    let world = World::new().await;
    let source = world.source(|options| options.limits.call = Duration::from_millis(200));
    let ended = call(&tool(&source, "shop_get_hang").await, &json!({})).await;
    assert_eq!(ended, Err(ToolError::TimedOut(Duration::from_millis(200))));
    until("the server sees it", || world.api.left() == 1).await;
}

#[tokio::test]
async fn only_what_is_listed_is_a_tool() {
    let world = World::new().await;
    let source = world.source(|options| options.operations = vec![Glob::new("DELETE /orders/*").unwrap()]);
    let tools = source.tools().await.unwrap();
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0].offer().name, "shop_deleteOrder");
    let mut options = options(&world.api, world.folder.path());
    options.operations = vec![Glob::new("nothing").unwrap()];
    assert!(matches!(OpenApiSource::new(&options), Err(OpenApiError::Empty(_))));
}

#[tokio::test]
async fn what_is_no_document_or_no_address_is_refused_and_a_token_is_never_shown() {
    let world = World::new().await;
    let mut options = options(&world.api, world.folder.path());
    options.token = Some(ApiToken::new(Some("X-Api-Key"), Secret::new("canary")).unwrap());
    assert!(!format!("{options:?}").contains("canary"));
    for base_url in ["", "host", "ftp://host", "https://me:hidden@host", "https://host?key=1"] {
        options.base_url = base_url.into();
        assert!(
            matches!(OpenApiSource::new(&options), Err(OpenApiError::Address)),
            "{base_url}"
        );
    }
    options.base_url = "https://host".into();
    fs::write(&options.document, "openapi: 3.1.0").unwrap();
    assert!(matches!(OpenApiSource::new(&options), Err(OpenApiError::Document(..))));
    options.document = world.folder.path().join("nowhere.json");
    assert!(matches!(OpenApiSource::new(&options), Err(OpenApiError::Read(..))));
    assert!(ApiToken::new(Some("no header"), Secret::new("canary")).is_err());
}
