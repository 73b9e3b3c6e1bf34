//! The console is typed by the OpenAPI document: it has a copy, from which its types of the REST API are made.
//!
//! `UPDATE_TYPESCRIPT=1 cargo test -p orchestratai-web openapi` writes the copy anew, `npm run generate:rest` in `console` the types.

use std::{fs, path::PathBuf};

#[test]
fn the_copy_of_the_openapi_document_is_not_stale() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../console/src/api/generated/openapi.json");
    let mut expected = super::document().to_vec();
    expected.push(b'\n');
    if std::env::var_os("UPDATE_TYPESCRIPT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: run with UPDATE_TYPESCRIPT=1",
        path.display()
    );
}
