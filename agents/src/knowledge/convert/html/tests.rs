use super::*;

fn page(html: &str) -> Converted {
    convert(html.as_bytes()).unwrap()
}

#[track_caller]
fn check(html: &str, expected: &str) {
    assert_eq!(page(html).markdown.trim_end(), expected, "{html}");
}

#[test]
fn headings_paragraphs_lists_quotations_and_code_are_kept() {
    check(
        "<h1>A</h1><p>One <b>two</b>\n three<br>four<h2>B</h2>five",
        "# A\n\nOne two three\nfour\n\n## B\n\nfive",
    );
    check(
        "<ul><li>a<ul><li>b</ul><li><p>c</p><p>d</p></ul><ol start=3><li>x<li>y</ol>after",
        "- a\n    - b\n- c\n\n    d\n3. x\n4. y\n\nafter",
    );
    check("<dl><dt>Term<dd>Meaning</dl>", "- Term\n    - Meaning");
    check("<blockquote><p>said</p></blockquote>", "> said");
    check(
        "<p>Run <code>lf  keys</code> now<pre><code class='hljs language-sh'>a\n  b &lt;\n</code></pre>",
        "Run `lf keys` now\n\n```sh\na\n  b <\n```",
    );
}

#[test]
fn tables_become_tables_and_layout_does_not() {
    check(
        "<table><caption>Plans</caption><tr><th>Plan<th>Price<tr><td>Free<td>0|1 <tr><td colspan=2>all</table>",
        "Plans\n\n| Plan | Price |\n| --- | --- |\n| Free | 0\\|1 |\n| all |  |",
    );
    check(
        "<table><tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>2</table>",
        "| A | B |\n| --- | --- |\n| x | 1 |\n| x | 2 |",
    );
    check("<table><tr><td><h2>Left</h2>a<td>b</table>", "## Left\n\na\n\nb");
}

#[test]
fn what_is_no_content_is_left_out() {
    check(
        "<header>Site</header><nav>Menu</nav><main><header><h1>T</h1></header><p>text</p><aside>ad</aside></main>\
         <footer>legal</footer>",
        "# T\n\ntext",
    );
    check(
        "<body><script>x</script><style>y</style><template>z</template><p hidden>h<p style='display: none'>n\
         <p aria-hidden=true>i<p>kept<button>b</button><svg><text>s</text></svg>",
        "kept",
    );
    check("<main></main><p>filled elsewhere", "filled elsewhere");
    check("<article>one</article><article>two</article>", "one\n\ntwo");
}

#[test]
fn links_that_lead_away_keep_their_target() {
    check(
        "<a href='/a'>here</a> and <a href='https://x.example/b'> there</a>, <img alt='a lamp' src=l><sup><a href='#n3'>[3]</a></sup>",
        "here and [there](https://x.example/b), a lamp",
    );
}

#[test]
fn entities_are_decoded_and_text_stays_text() {
    check("a &amp;lt; b &lt;i&gt; &eacute;", "a \\&lt; b \\<i> \u{e9}");
    check("hy&shy;phen", "hyphen");
    check("<p># no heading<p>1. no item", "\\# no heading\n\n1\\. no item");
}

#[test]
fn the_title_is_the_pages_own() {
    for (html, expected) in [
        ("<title>Refunds - Shop</title><h1>Refunds</h1>x", Some("Refunds")),
        ("<title>Refunds</title><h1>Other</h1>x", Some("Refunds")),
        ("<h1>Only\n here</h1>x", Some("Only here")),
        ("x", None),
    ] {
        assert_eq!(page(html).title.as_deref(), expected, "{html}");
    }
}

#[test]
fn what_the_page_says_about_itself_is_kept() {
    let page = page(
        "<html lang=en><head><meta name=Description content='What it is'><meta property='article:published_time' \
         content=2026-01-02><meta name=keywords content='a, b'></head><p>x",
    );
    let expected = serde_json::json!({
        "language": "en", "description": "What it is", "date": "2026-01-02", "keywords": "a, b",
    });
    assert_eq!(serde_json::Value::Object(page.properties), expected);
}

#[test]
fn a_page_without_text_is_none() {
    for html in ["", "<p> </p>", "<script>x</script>"] {
        assert_eq!(convert(html.as_bytes()), Err(ConversionError::NoText), "{html}");
    }
}

#[test]
fn a_page_that_nests_too_deeply_is_refused() {
    for html in ["<div>".repeat(100_000), "<b id=1><i id=2>".repeat(50_000)] {
        let error = convert(html.as_bytes()).unwrap_err();
        assert!(matches!(error, ConversionError::TooLarge(_)), "{html:.20}: {error}");
    }
}

#[test]
fn hostile_pages_end_in_time() {
    for html in [
        "<p><a href=x><b><i>".repeat(20_000) + "x",
        "<table><tr><td>".repeat(30_000) + "x",
        format!(
            "<table>{}</table>",
            "<tr><td rowspan=65000 colspan=1000>x".repeat(20_000)
        ),
        format!("<table>{}</table>", "<tr><td>a<td>b".repeat(100_000)),
        format!("<a><div>{}{}", "<i></i>x".repeat(50_000), "<a>".repeat(20_000)),
        format!("<p title='{}'>x", "&amp;".repeat(1_000_000)),
        "<![CDATA[ <!-- <p".repeat(100_000),
        "<ul><li>".repeat(200) + &"<pre><code>".repeat(10_000),
        "<select><option>".repeat(50_000),
        "<math><mi><annotation-xml encoding=text/html>".repeat(20_000),
    ] {
        let began = std::time::Instant::now();
        let _: Result<_, _> = convert(html.as_bytes());
        assert!(began.elapsed().as_secs() < 20, "{html:.40}: {:?}", began.elapsed());
    }
}
