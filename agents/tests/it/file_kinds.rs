//! A folder with files of every kind, good and broken ones.

use std::{
    fs,
    io::{Cursor, Write as _},
    sync::Arc,
};

use lopdf::{Document, Object, Stream, dictionary};
use orchestratai_agents::knowledge::{DocumentStore, IngestReport, Knowledge, SourceFile};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    memory_store::MemoryStore,
    world::{collection, embedder},
};

const PAGE: &str = "<!DOCTYPE html><html><head><title>Webhooks | Help centre</title><meta name=description content='How we call you'>\
    </head><body><nav>Home</nav><main><h1>Webhooks</h1><p>We call your address when something happens.</p><h2>Retries</h2>\
    <p>A delivery that fails is sent again for three days, with growing pauses.</p></main><footer>Imprint</footer></body></html>";

/// A PDF document with a heading and a paragraph.
fn pdf(heading: &str, text: &str) -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let tree = document.new_object_id();
    let content = format!(
        "BT /F1 22 Tf 72 770 Td (Contracts) Tj ET BT /F1 16 Tf 72 740 Td ({heading}) Tj ET BT /F1 10 Tf 72 715 Td ({text}) Tj ET"
    );
    let content = document.add_object(Stream::new(dictionary! {}, content.into_bytes()));
    let font = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" };
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => tree, "Contents" => content,
        "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
    });
    let root = dictionary! { "Type" => "Pages", "Kids" => vec![Object::Reference(page)], "Count" => 1 };
    document.objects.insert(tree, Object::Dictionary(root));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// A DOCX document with a title, a heading and a paragraph.
fn docx(heading: &str, text: &str) -> Vec<u8> {
    let paragraph = |style: &str, text: &str| {
        format!("<w:p><w:pPr><w:pStyle w:val='{style}'/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
    };
    let body = paragraph("T", "Travel") + &paragraph("H1", heading) + &paragraph("N", text);
    let parts = [
        (
            "word/document.xml",
            format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>"),
        ),
        (
            "word/styles.xml",
            "<w:styles xmlns:w='w'><w:style w:styleId='T'><w:name w:val='Title'/></w:style>\
             <w:style w:styleId='H1'><w:name w:val='heading 1'/></w:style></w:styles>"
                .to_owned(),
        ),
        (
            "word/_rels/document.xml.rels",
            "<Relationships><Relationship Id='r1' Type='http://x/styles' Target='styles.xml'/></Relationships>"
                .to_owned(),
        ),
    ];
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

async fn open(folder: &std::path::Path, store: &Arc<MemoryStore>) -> Knowledge {
    let documents = Arc::clone(store) as Arc<dyn DocumentStore>;
    Knowledge::open(&folder.join("index"), documents, embedder())
        .await
        .unwrap()
}

fn problems(report: &IngestReport) -> Vec<(&str, &str)> {
    let mut problems: Vec<_> = report
        .problems
        .iter()
        .map(|p| (p.path.as_str(), p.reason.as_str()))
        .collect();
    problems.sort_unstable();
    problems
}

#[tokio::test]
async fn good_files_are_found_under_their_headings_and_broken_ones_are_told_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let contract = pdf(
        "Notice period",
        "A contract ends three months after notice was given in writing.",
    );
    let travel = docx("Per diem", "Travellers get forty euros for each full day abroad.");
    for (name, bytes) in [
        ("webhooks.html", PAGE.as_bytes()),
        ("contract.pdf", &contract),
        ("travel.docx", &travel),
        (
            "refunds.md",
            b"# Refunds\n\n## Deadline\n\nAsk for your money back within thirty days.",
        ),
        ("hours.txt", b"Opening hours\n\nThe desk is open from nine to five."),
        ("empty.html", b"<script>only()</script>"),
        ("deep.html", "<div>".repeat(100_000).as_bytes()),
        ("cut.pdf", &contract[..contract.len() / 3]),
        ("noise.pdf", &[7; 500]),
        (
            "locked.pdf",
            b"%PDF-1.5\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R/Encrypt 2 0 R>>",
        ),
        ("cut.docx", &travel[..travel.len() / 2]),
        ("old.docx", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]),
        ("latin.md", b"caf\xe9"),
    ] {
        fs::write(files.join(name), bytes).unwrap();
    }
    let store = Arc::new(MemoryStore::default());
    let knowledge = open(folder.path(), &store).await;
    let report = knowledge.ingest_folder(&files, &collection("policy")).await.unwrap();
    assert_eq!(report.outcome.added, 5);
    let problems = problems(&report);
    let names: Vec<&str> = problems.iter().map(|(path, _)| *path).collect();
    let broken = [
        "cut.docx",
        "cut.pdf",
        "deep.html",
        "empty.html",
        "latin.md",
        "locked.pdf",
        "noise.pdf",
        "old.docx",
    ];
    assert_eq!(names, broken, "{problems:#?}");
    let reason = |name: &str| {
        problems
            .iter()
            .find(|(path, _)| *path == name)
            .map_or("", |(_, reason)| reason)
    };
    assert!(reason("locked.pdf").contains("encrypted"), "{problems:#?}");
    assert!(reason("old.docx").contains(".doc)"), "{problems:#?}");
    assert!(reason("deep.html").contains("nested deeper"), "{problems:#?}");
    assert!(report.problems.iter().all(|problem| problem.skipped));

    knowledge.refresh().await.unwrap();
    for (question, path, headings) in [
        (
            "How long is a failed delivery of a webhook sent again?",
            "webhooks.html",
            &["Webhooks", "Retries"][..],
        ),
        (
            "What is the notice period of a contract?",
            "contract.pdf",
            &["Contracts", "Notice period"],
        ),
        (
            "How much do travellers get for a day abroad?",
            "travel.docx",
            &["Travel", "Per diem"],
        ),
        (
            "When must I ask for my money back?",
            "refunds.md",
            &["Refunds", "Deadline"],
        ),
    ] {
        let found = knowledge.search(question, &[collection("policy")], 3).await.unwrap();
        let chunk = &found.chunks[0].chunk;
        assert_eq!(
            (chunk.origin.source.as_str(), chunk.heading_path().as_slice()),
            (path, &headings.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{question}"
        );
    }
    let page = knowledge
        .search("webhooks retries", &[collection("policy")], 1)
        .await
        .unwrap();
    let origin = &page.chunks[0].chunk.origin;
    assert_eq!(origin.front_matter["description"], "How we call you");

    let again = knowledge.ingest_folder(&files, &collection("policy")).await.unwrap();
    assert_eq!((again.outcome.unchanged, again.outcome.updated), (5, 0));
}

#[tokio::test]
async fn uploads_are_converted_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    let knowledge = open(folder.path(), &store).await;
    let file = |path: &str, bytes: Vec<u8>| SourceFile {
        path: path.into(),
        bytes,
    };
    let files = vec![
        file("a/b.docx", docx("Rail", "Trains are booked in second class.")),
        file("a/b.pdf", b"no document".to_vec()),
        file("a/b.png", b"x".to_vec()),
    ];
    let report = knowledge.put_upload(&collection("policy"), files).await.unwrap();
    assert_eq!(report.outcome.added, 1);
    let names: Vec<&str> = problems(&report).iter().map(|(path, _)| *path).collect();
    assert_eq!(names, ["a/b.pdf", "a/b.png"]);
    knowledge.refresh().await.unwrap();
    let found = knowledge
        .search("class of trains", &[collection("policy")], 1)
        .await
        .unwrap();
    assert_eq!(found.chunks[0].chunk.heading_path(), ["Travel", "Rail"]);
}

#[tokio::test]
async fn a_folder_that_is_as_it_was_is_not_converted_again() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("page.html"), PAGE).unwrap();
    fs::write(folder.path().join("travel.docx"), docx("Trains", "Take the train.")).unwrap();
    fs::write(folder.path().join("notes.md"), "# Notes\n\nPlain text.").unwrap();
    let store = Arc::new(MemoryStore::default());
    let knowledge = Knowledge::open(dir.path(), store, embedder()).await.unwrap();
    let collection = collection("handbook");
    let ingest = async || {
        let report = knowledge.ingest_folder(folder.path(), &collection).await.unwrap();
        let outcome = report.outcome;
        (
            report.converted,
            outcome.added,
            outcome.updated,
            outcome.unchanged,
            outcome.removed,
        )
    };
    assert_eq!(ingest().await, (2, 3, 0, 0, 0));
    let revision = knowledge.refresh().await.unwrap().revision;
    assert_eq!(ingest().await, (0, 0, 0, 3, 0));
    assert_eq!(knowledge.refresh().await.unwrap().revision, revision);
    fs::write(
        folder.path().join("travel.docx"),
        docx("Trains", "Take the night train."),
    )
    .unwrap();
    assert_eq!(ingest().await, (1, 0, 1, 2, 0));
    fs::remove_file(folder.path().join("page.html")).unwrap();
    assert_eq!(ingest().await, (0, 0, 0, 2, 1));
}
