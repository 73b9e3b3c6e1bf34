use std::io::{Cursor, Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const STYLES: &str = r#"<w:styles xmlns:w="w">
<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Kap"><w:name w:val="Chapter"/><w:basedOn w:val="berschrift1"/></w:style>
<w:style w:styleId="Out"><w:name w:val="Mine"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
<w:style w:styleId="A"><w:name w:val="a"/><w:basedOn w:val="B"/></w:style>
<w:style w:styleId="B"><w:name w:val="b"/><w:basedOn w:val="A"/></w:style>
<w:style w:styleId="Src"><w:name w:val="Source Code"/></w:style>
<w:style w:styleId="Toc1"><w:name w:val="toc 1"/></w:style>
<w:style w:styleId="LB"><w:name w:val="List Bullet"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
</w:styles>"#;

const NUMBERING: &str = r#"<w:numbering xmlns:w="w">
<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
</w:numbering>"#;

const RELATIONSHIPS: &str = r#"<Relationships>
<Relationship Id="r1" Type="http://x/styles" Target="styles.xml"/>
<Relationship Id="r2" Type="http://x/numbering" Target="/word/numbering.xml"/>
<Relationship Id="r3" Type="http://x/footnotes" Target="footnotes.xml"/>
<Relationship Id="r4" Type="http://x/hyperlink" Target="https://x.example/a" TargetMode="External"/>
</Relationships>"#;

const FOOTNOTES: &str = r#"<w:footnotes xmlns:w="w"><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:t>From</w:t></w:r><w:r><w:t xml:space="preserve"> May on.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;

const CORE: &str = r#"<cp:coreProperties xmlns:dc="d" xmlns:cp="c"><dc:title>Fees &amp; terms</dc:title><dc:creator>Ada</dc:creator>
</cp:coreProperties>"#;

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A document that any other test may want.
pub(in crate::knowledge::convert) fn sample() -> Vec<u8> {
    document(&[styled("berschrift1", "H"), item(2, 0, "a"), paragraph("", "text")].concat())
}

/// A document with this in its body.
fn document(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w='w' xmlns:r='r'><w:body>{body}</w:body></w:document>");
    archive(&[
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", RELATIONSHIPS.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/footnotes.xml", FOOTNOTES.as_bytes()),
    ])
}

fn paragraph(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn styled(style: &str, text: &str) -> String {
    paragraph(&format!("<w:pStyle w:val='{style}'/>"), text)
}

fn item(list: u32, level: u32, text: &str) -> String {
    paragraph(
        &format!("<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='{list}'/></w:numPr>"),
        text,
    )
}

#[track_caller]
fn check(body: &str, expected: &str) {
    let converted = convert(&document(body)).unwrap();
    assert_eq!(converted.markdown.trim_end(), expected, "{body}");
}

#[test]
fn headings_are_told_by_the_names_of_their_styles() {
    let body = [
        styled("Titel", "T"),
        styled("berschrift1", "A"),
        styled("Kap", "B"),
        styled("Out", "C"),
        styled("A", "text"),
        paragraph("<w:outlineLvl w:val='2'/>", "D"),
        styled("Toc1", "A ..... 3"),
    ];
    check(&body.concat(), "# T\n\n# A\n\n# B\n\n## C\n\ntext\n\n### D");
}

#[test]
fn lists_are_counted_and_nested() {
    let body = [
        item(1, 0, "a"),
        item(2, 0, "b"),
        item(2, 1, "c"),
        item(2, 1, "d"),
        item(2, 0, "e"),
        item(2, 1, "f"),
        styled("LB", "g"),
        item(0, 0, "no item"),
    ];
    check(
        &body.concat(),
        "- a\n3. b\n    1. c\n    2. d\n4. e\n    1. f\n- g\n\nno item",
    );
}

#[test]
fn tables_and_their_spans_are_kept() {
    let cell =
        |properties: &str, text: &str| format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", paragraph("", text));
    let row = |cells: &[String]| format!("<w:tr>{}</w:tr>", cells.concat());
    let body = format!(
        "<w:tbl>{}{}{}</w:tbl>",
        row(&[cell("", "Plan"), cell("", "Fee"), cell("", "a|b")]),
        row(&[
            cell("<w:vMerge w:val='restart'/>", "Team"),
            cell("<w:gridSpan w:val='2'/>", "5")
        ]),
        row(&[cell("<w:vMerge/>", ""), cell("", "6"), cell("", "")]),
    );
    check(
        &body,
        "| Plan | Fee | a\\|b |\n| --- | --- | --- |\n| Team | 5 |  |\n| Team | 6 |  |",
    );
}

#[test]
fn code_links_notes_and_breaks_are_kept() {
    check(&(styled("Src", "if x {") + &styled("Src", "}")), "```\nif x {\n}\n```");
    check(
        "<w:p><w:r><w:t xml:space='preserve'>See </w:t></w:r><w:hyperlink r:id='r4'><w:r><w:t>the form</w:t></w:r></w:hyperlink>\
         <w:r><w:t>.</w:t><w:br/><w:t>5 &lt;b&gt; &#233;</w:t><w:footnoteReference w:id='2'/></w:r></w:p>",
        "See [the form](https://x.example/a).\n5 \\<b> \u{e9}\n\nFrom May on.",
    );
}

#[test]
fn what_is_no_text_is_left_out() {
    check(
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r>\
         <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins>\
         <mc:AlternateContent xmlns:mc='m'><mc:Choice><w:r><w:t> once</w:t></w:r></mc:Choice>\
         <mc:Fallback><w:r><w:t>twice</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>",
        "new once",
    );
}

#[test]
fn the_title_is_the_one_it_says_it_has() {
    let body = "<w:document><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p></w:body></w:document>";
    let converted = convert(&archive(&[
        ("word/document.xml", body.as_bytes()),
        ("docProps/core.xml", CORE.as_bytes()),
    ]))
    .unwrap();
    assert_eq!(converted.title.as_deref(), Some("Fees & terms"));
    assert_eq!(converted.properties["author"], "Ada");
    let named = convert(&document(&(styled("berschrift1", "H") + &styled("Titel", "T")))).unwrap();
    assert_eq!(named.title.as_deref(), Some("T"));
}

#[test]
fn what_cannot_be_read_says_why() {
    let whole = document(&paragraph("", "text"));
    let is_malformed = |bytes: &[u8]| matches!(convert(bytes), Err(ConversionError::Malformed { .. }));
    assert!(is_malformed(b""));
    assert!(is_malformed(b"no archive"));
    assert!(is_malformed(&whole[..whole.len() / 2]));
    assert!(is_malformed(&archive(&[("a.txt", b"x")])));
    assert!(is_malformed(&document("<w:p>")));
    assert!(is_malformed(&archive(&[(
        "word/document.xml",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    )])));
    assert_eq!(convert(&document("<w:p/>")), Err(ConversionError::NoText));

    let mut envelope = package_signature().to_vec();
    assert!(is_malformed(&envelope));
    envelope.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(convert(&envelope), Err(ConversionError::Encrypted));
}

fn package_signature() -> [u8; 8] {
    [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]
}

#[test]
fn bombs_are_refused_in_time() {
    let began = std::time::Instant::now();
    let is_too_large = |bytes: &[u8]| matches!(convert(bytes), Err(ConversionError::TooLarge(_)));
    let filler = format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", " ".repeat(70 * 1024 * 1024));
    assert!(is_too_large(&document(&filler)));
    assert!(is_too_large(&document(&paragraph("", &"word ".repeat(1_000_000)))));
    assert!(is_too_large(&document(
        &("<w:p>".repeat(100_000) + &"</w:p>".repeat(100_000))
    )));
    let names: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(is_too_large(&archive(&files)));
    let table = format!("<w:tbl>{}</w:tbl>", "<w:tr><w:tc><w:p/></w:tc></w:tr>".repeat(200_000));
    assert_eq!(convert(&document(&table)), Err(ConversionError::NoText));
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
