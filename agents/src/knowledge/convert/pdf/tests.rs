use std::fmt::Write as _;

use lopdf::{
    Document, EncryptionState, EncryptionVersion, Object, ObjectId, Permissions, SaveOptions, Stream, dictionary,
};

use super::*;

/// A document whose pages have these contents, with the fonts `F1` (Helvetica), `F2` (bold) and `F3` (Courier). Gives the pages too.
pub(super) fn built(contents: &[String]) -> (Document, Vec<ObjectId>) {
    let mut document = Document::with_version("1.5");
    let tree = document.new_object_id();
    let font = |name: &str| {
        dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => name, "Encoding" => "WinAnsiEncoding" }
    };
    let resources = dictionary! {
        "Font" => dictionary! {
            "F1" => font("Helvetica"), "F2" => font("Helvetica-Bold"), "F3" => font("Courier"),
        },
    };
    let pages: Vec<ObjectId> = contents
        .iter()
        .map(|content| {
            let content = document.add_object(Stream::new(dictionary! {}, content.clone().into_bytes()));
            document.add_object(dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content })
        })
        .collect();
    let kids: Vec<Object> = pages.iter().map(|page| Object::Reference(*page)).collect();
    let count = i64::try_from(kids.len()).unwrap();
    let root = dictionary! {
        "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    };
    document.objects.insert(tree, Object::Dictionary(root));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    (document, pages)
}

pub(super) fn saved(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// Lines at these places, each in a font and size of its own.
fn lines(lines: &[(&str, f32, f32, f32, &str)]) -> String {
    let mut content = String::new();
    for (font, size, x, y, text) in lines {
        writeln!(content, "BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET").unwrap();
    }
    content
}

/// A document that any other test may want.
pub(in crate::knowledge::convert) fn sample() -> Vec<u8> {
    saved(
        built(&[lines(&[
            ("F1", 20.0, 72.0, 760.0, "Export limits"),
            ("F1", 10.0, 72.0, 730.0, "Exports end after 90 minutes."),
        ])])
        .0,
    )
}

#[track_caller]
fn check(content: &str, expected: &str) {
    let converted = convert(&saved(built(&[content.to_owned()]).0)).unwrap();
    assert_eq!(converted.markdown.trim_end(), expected);
}

#[test]
fn headings_paragraphs_and_lists_are_told_by_sizes_and_places() {
    check(
        &lines(&[
            ("F1", 20.0, 72.0, 780.0, "The title of"),
            ("F1", 20.0, 72.0, 758.0, "the whole"),
            ("F1", 14.0, 72.0, 720.0, "A section"),
            (
                "F1",
                10.0,
                72.0,
                700.0,
                "A paragraph that runs over a line and is hyphen-",
            ),
            ("F1", 10.0, 72.0, 688.0, "ated there, and ends."),
            ("F1", 10.0, 72.0, 664.0, "Another one \\(see \\251\\):"),
            ("F1", 10.0, 72.0, 652.0, "\\225 first"),
            ("F1", 10.0, 82.0, 640.0, "goes on"),
            ("F1", 10.0, 90.0, 628.0, "- nested"),
            ("F1", 10.0, 72.0, 616.0, "\\225 second"),
            ("F2", 10.0, 72.0, 590.0, "Bold heading"),
            (
                "F1",
                10.0,
                72.0,
                576.0,
                "Text below it that is long enough to be what most of it is.",
            ),
        ]),
        "# The title of the whole\n\n## A section\n\nA paragraph that runs over a line and is hyphenated there, and ends.\n\n\
         Another one (see \u{a9}):\n\n- first goes on\n    - nested\n- second\n\n### Bold heading\n\n\
         Text below it that is long enough to be what most of it is.",
    );
}

#[test]
fn cells_below_each_other_are_a_table() {
    let mut rows = vec![("F1", 10.0, 72.0, 760.0, "What each plan costs in a month:")];
    for (number, (plan, price)) in [("Plan", "Price"), ("Free", "0"), ("Team", "12"), ("Large", "40")]
        .into_iter()
        .enumerate()
    {
        let y = 740.0 - 14.0 * number as f32;
        rows.push(("F1", 10.0, 72.0, y, plan));
        rows.push(("F1", 10.0, 200.0, y, price));
    }
    check(
        &lines(&rows),
        "What each plan costs in a month:\n\n| Plan | Price |\n| --- | --- |\n| Free | 0 |\n| Team | 12 |\n| Large | 40 |",
    );
}

#[test]
fn two_columns_are_read_one_after_the_other() {
    let left: Vec<String> = (0..12)
        .map(|n| format!("left line {n} of the running text in its column"))
        .collect();
    let right: Vec<String> = (0..12)
        .map(|n| format!("right line {n} of the running text in its column"))
        .collect();
    let mut rows = vec![(
        "F1",
        10.0,
        72.0,
        780.0,
        "An abstract that reaches across both of the columns, as they often do, to the other side.",
    )];
    for (n, (left, right)) in left.iter().zip(&right).enumerate() {
        let y = 750.0 - 12.0 * n as f32;
        rows.push(("F1", 10.0, 60.0, y, left));
        rows.push(("F1", 10.0, 320.0, y, right));
    }
    let converted = convert(&saved(built(&[lines(&rows)]).0)).unwrap();
    let expected: Vec<String> = left.into_iter().chain(right).collect();
    assert!(
        converted.markdown.contains(&expected.join(" ")),
        "{}",
        converted.markdown
    );
}

#[test]
fn what_stands_on_every_page_and_tables_of_contents_are_left_out() {
    let words = ["alpha", "beta", "gamma", "delta"];
    let pages: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(number, word)| {
            lines(&[
                ("F1", 8.0, 72.0, 810.0, &format!("Handbook, chapter {number}")),
                ("F1", 10.0, 72.0, 700.0, &format!("This page is about {word} and more")),
                ("F1", 10.0, 72.0, 400.0, "Section . . . . . . . . . 7"),
                ("F1", 10.0, 72.0, 380.0, &format!("which ends with {word}.")),
                ("F1", 8.0, 290.0, 30.0, &format!("- {} -", number + 1)),
            ])
        })
        .collect();
    let markdown = convert(&saved(built(&pages).0)).unwrap().markdown;
    assert!(
        words.iter().all(|word| markdown.contains(&format!("about {word} and"))),
        "{markdown}"
    );
    assert!(
        !markdown.contains("Handbook") && !markdown.contains("- 1 -") && !markdown.contains(". . ."),
        "{markdown}"
    );
}

#[test]
fn code_keeps_its_lines_and_indents() {
    check(
        &lines(&[
            ("F1", 10.0, 72.0, 760.0, "Run this to see all that there is to be seen:"),
            ("F3", 10.0, 72.0, 740.0, "if x {"),
            ("F3", 10.0, 84.0, 728.0, "y\\(\\)"),
            ("F3", 10.0, 72.0, 716.0, "}"),
        ]),
        "Run this to see all that there is to be seen:\n\n```\nif x {\n  y()\n}\n```",
    );
}

#[test]
fn text_in_forms_and_turned_pages_is_read_and_artifacts_are_not() {
    let content = "BT /F1 10 Tf 0 1 -1 0 300 72 Tm (turned) Tj 20 0 Td ET q 0 1 -1 0 320 72 cm /X Do Q \
                   /Artifact BMC BT /F1 10 Tf (never) Tj ET EMC BT /F1 10 Tf 72 72 Td (up) Tj ET";
    let (mut document, pages) = built(&[content.to_owned()]);
    let form = Stream::new(
        dictionary! { "Type" => "XObject", "Subtype" => "Form", "Resources" => dictionary! {
            "Font" => dictionary! { "G" => dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" } },
        } },
        b"BT /G 10 Tf [(in) -300 (a for) 20 (m)] TJ ET /X Do".to_vec(),
    );
    let form = document.add_object(form);
    let page = document.get_dictionary_mut(pages[0]).unwrap();
    let font = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" };
    page.set(
        "Resources",
        dictionary! { "Font" => dictionary! { "F1" => font }, "XObject" => dictionary! { "X" => form } },
    );
    assert_eq!(convert(&saved(document)).unwrap().markdown, "turned in a form\n");
}

#[test]
fn fonts_of_two_bytes_are_read_by_their_maps() {
    let content = "BT /C 12 Tf 72 700 Td <000100020003> Tj ET";
    let (mut document, pages) = built(&[content.to_owned()]);
    let map = b"1 beginbfrange <0001> <0002> <0041> endbfrange 1 beginbfchar <0003> <FB01> endbfchar";
    let map = document.add_object(Stream::new(dictionary! {}, map.to_vec()));
    let descendant =
        dictionary! { "Type" => "Font", "Subtype" => "CIDFontType2", "W" => vec![1.into(), 3.into(), 600.into()] };
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "X", "Encoding" => "Identity-H", "ToUnicode" => map,
        "DescendantFonts" => vec![Object::Dictionary(descendant)],
    };
    let fonts = dictionary! { "Font" => dictionary! { "C" => font } };
    document.get_dictionary_mut(pages[0]).unwrap().set("Resources", fonts);
    assert_eq!(convert(&saved(document.clone())).unwrap().markdown, "ABfi\n");
    document.objects.remove(&map);
    assert_eq!(convert(&saved(document)), Err(ConversionError::Undecodable));
}

#[test]
fn the_title_is_what_it_says_unless_that_is_the_name_of_a_file() {
    for (said, title) in [
        ("Export rules", "Export rules"),
        ("Microsoft Word - x.doc", "Shown"),
        ("a.pdf", "Shown"),
    ] {
        let content = lines(&[
            ("F1", 20.0, 72.0, 760.0, "Shown"),
            ("F1", 10.0, 72.0, 700.0, "And its running text."),
        ]);
        let (mut document, _) = built(&[content]);
        let info = document.add_object(
            dictionary! { "Title" => Object::string_literal(said), "Author" => Object::string_literal("Ada") },
        );
        document.trailer.set("Info", info);
        let converted = convert(&saved(document)).unwrap();
        assert_eq!(
            (converted.title.as_deref(), converted.properties["author"].as_str()),
            (Some(title), Some("Ada"))
        );
    }
}

#[test]
fn object_streams_are_unpacked_and_what_came_last_counts() {
    let (mut document, pages) = built(&["BT /F1 10 Tf 72 700 Td (old) Tj ET".to_owned()]);
    let mut bytes = Vec::new();
    let options = SaveOptions::builder()
        .use_object_streams(true)
        .use_xref_streams(true)
        .build();
    document.save_with_options(&mut bytes, options).unwrap();
    assert!(
        bytes.windows(6).any(|window| window == b"ObjStm"),
        "nothing is in a stream"
    );
    assert_eq!(convert(&bytes).unwrap().markdown, "old\n");
    // Without the table at the end, and with a page changed behind it.
    bytes.truncate(bytes.len() - 20);
    let parent = document
        .get_dictionary(pages[0])
        .unwrap()
        .get(b"Parent")
        .unwrap()
        .as_reference()
        .unwrap();
    let content = "900 0 obj <</Length 36>> stream\nBT /F1 10 Tf 72 700 Td (new) Tj ET  \nendstream endobj";
    let page = format!(
        "{} 0 obj <</Type/Page/Parent {} 0 R/Contents 900 0 R>> endobj",
        pages[0].0, parent.0
    );
    bytes.extend(format!("\n{content}\n{page}\n").into_bytes());
    assert_eq!(convert(&bytes).unwrap().markdown, "new\n");
}

/// A protected document, whose page is in an object stream.
pub(in crate::knowledge::convert) fn protected(user_password: &str) -> Vec<u8> {
    let (mut document, pages) = built(&["BT /F1 10 Tf 72 700 Td (kept) Tj ET".to_owned()]);
    let page = document.objects.remove(&pages[0]).unwrap();
    let page = page.as_dict().unwrap();
    let id = |key: &[u8]| page.get(key).unwrap().as_reference().unwrap().0;
    let header = format!("{} 0 ", pages[0].0);
    let content = format!(
        "{header}<</Type/Page/Parent {} 0 R/Contents {} 0 R>>",
        id(b"Parent"),
        id(b"Contents")
    );
    let first = i64::try_from(header.len()).unwrap();
    // lopdf would leave an object stream out, so it gets its type afterwards.
    let stream = Stream::new(
        dictionary! { "Type" => "ObjStx", "N" => 1, "First" => first },
        content.into_bytes(),
    );
    document.add_object(stream);
    let part = Object::string_literal("0123456789abcdef");
    document.trailer.set("ID", vec![part.clone(), part]);
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password,
        key_length: 128,
        permissions: Permissions::empty(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    let mut bytes = saved(document);
    let at = bytes.windows(6).position(|window| window == b"ObjStx").unwrap();
    bytes[at + 5] = b'm';
    bytes
}

#[test]
fn protected_files_are_read_where_they_open_without_a_password() {
    let bytes = protected("");
    assert!(!bytes.windows(4).any(|window| window == b"kept"), "it is not encrypted");
    assert_eq!(convert(&bytes).unwrap().markdown, "kept\n");
    assert_eq!(convert(&protected("secret")), Err(ConversionError::Encrypted));
}

#[test]
fn what_cannot_be_read_says_why() {
    let is_malformed = |bytes: &[u8]| matches!(convert(bytes), Err(ConversionError::Malformed { .. }));
    assert!(is_malformed(b""));
    assert!(is_malformed(b"%PDF-1.7\nno more"));
    let sample = sample();
    assert!(is_malformed(&sample[..sample.len() / 3]));
    assert_eq!(
        convert(&saved(built(&["0 0 m 9 9 l S".to_owned()]).0)),
        Err(ConversionError::Scanned)
    );
    assert_eq!(convert(&saved(built(&[]).0)), Err(ConversionError::Scanned));
    let (mut document, _) = built(&["BT /F1 9 Tf (x) Tj ET".to_owned()]);
    let encryption = document.add_object(dictionary! { "Filter" => "Standard", "V" => 1 });
    document.trailer.set("Encrypt", encryption);
    assert_eq!(convert(&saved(document)), Err(ConversionError::Encrypted));
}

#[test]
fn missing_pages_are_told() {
    let page = "BT /F1 10 Tf 72 700 Td (here) Tj ET".to_owned();
    let (mut document, pages) = built(&[page.clone(), page]);
    document.objects.remove(&pages[1]);
    let converted = convert(&saved(document)).unwrap();
    assert_eq!(
        converted.damage.as_deref(),
        Some("it is damaged: 1 of its 2 pages are missing")
    );
}
