//! Files that were made to take more time or memory than they should.

use std::time::{Duration, Instant};

use lopdf::{Object, Stream, dictionary};

use super::{
    tests::{built, sample, saved},
    *,
};

/// No file may take longer than this, in a build without optimisation, beside other tests.
const TIME_MAX: Duration = Duration::from_secs(30);

#[track_caller]
fn check(bytes: &[u8]) -> Result<Converted, ConversionError> {
    let began = Instant::now();
    let converted = convert(bytes);
    assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
    converted
}

const TEXT: &str = "BT /F1 10 Tf 72 700 Td (text) Tj ET";

#[test]
fn trees_that_lead_back_into_themselves_end() {
    let (mut document, pages) = built(&[TEXT.to_owned()]);
    let tree = document
        .get_dictionary(pages[0])
        .unwrap()
        .get(b"Parent")
        .unwrap()
        .as_reference()
        .unwrap();
    let root = document.get_dictionary_mut(tree).unwrap();
    root.set(
        "Kids",
        vec![
            Object::Reference(tree),
            Object::Reference(pages[0]),
            Object::Reference(pages[0]),
        ],
    );
    root.set("Parent", tree);
    assert_eq!(check(&saved(document)).unwrap().markdown, "text\n");

    let (mut document, pages) = built(&[TEXT.to_owned()]);
    document
        .get_dictionary_mut(pages[0])
        .unwrap()
        .set("Resources", Object::Reference((900, 0)));
    document.objects.insert((900, 0), Object::Reference((901, 0)));
    document.objects.insert((901, 0), Object::Reference((900, 0)));
    assert_eq!(check(&saved(document)), Err(ConversionError::Scanned));
}

#[test]
fn forms_that_draw_each_other_end() {
    let (mut document, pages) = built(&["/X0 Do ".repeat(100)]);
    let mut forms = lopdf::Dictionary::new();
    let ids: Vec<_> = (0..6).map(|_| document.new_object_id()).collect();
    for (number, id) in ids.iter().enumerate() {
        forms.set(format!("X{number}"), *id);
        let content: String = (0..6).map(|other| format!("/X{other} Do ").repeat(20)).collect();
        let form = Stream::new(dictionary! { "Subtype" => "Form" }, content.into_bytes());
        document.objects.insert(*id, Object::Stream(form));
    }
    document
        .get_dictionary_mut(pages[0])
        .unwrap()
        .set("Resources", dictionary! { "XObject" => forms });
    let error = check(&saved(document)).unwrap_err();
    assert!(matches!(error, ConversionError::TooLarge(_)), "{error}");
}

#[test]
fn bombs_are_refused() {
    for content in [
        " ".repeat(200_000_000),
        "1 ".repeat(5_000_000),
        "[".repeat(1_000_000),
        "(".repeat(1_000_000),
    ] {
        let (mut document, _) = built(&[content]);
        document.compress();
        assert_eq!(check(&saved(document)), Err(ConversionError::Scanned));
    }
    let many = "BT /F1 10 Tf 72 700 Td (word word word word word word word word) Tj ET\n".repeat(200_000);
    let error = check(&saved(built(&[many]).0)).unwrap_err();
    assert!(matches!(error, ConversionError::TooLarge(_)), "{error}");
}

#[test]
fn the_same_content_on_very_many_pages_is_refused() {
    let (mut document, pages) = built(&["0 0 m\n".repeat(100_000)]);
    let page = document.get_object(pages[0]).unwrap().clone();
    let tree = page.as_dict().unwrap().get(b"Parent").unwrap().as_reference().unwrap();
    let kids: Vec<Object> = (0..10_000)
        .map(|_| Object::Reference(document.add_object(page.clone())))
        .collect();
    document.get_dictionary_mut(tree).unwrap().set("Kids", kids);
    let error = check(&saved(document)).unwrap_err();
    assert!(matches!(error, ConversionError::TooLarge(_)), "{error}");
}

#[test]
fn objects_that_never_end_or_overlap_take_linear_time() {
    for piece in [
        "1 0 obj(",
        "1 0 obj%",
        "1 0 obj<<",
        "1 0 obj[",
        "1 0 obj<</A",
        "1 0 obj<</Length 9>>stream\n",
        "trailer<<",
        "endstream",
        "<",
    ] {
        let file = format!("%PDF-1.7\n{}", piece.repeat(8_000_000 / piece.len() / 4));
        let _: Result<_, _> = check(file.as_bytes());
    }
    let deep = format!("1 0 obj {}{} endobj", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(check(deep.as_bytes()).is_err());
    let large = format!("1 0 obj [{}] endobj", "0 ".repeat(5_000_000));
    assert!(check(large.as_bytes()).is_err());
    let many = format!("1 0 obj [{}] endobj\n", "0 ".repeat(900_000)).repeat(5);
    assert!(matches!(check(many.as_bytes()), Err(ConversionError::TooLarge(_))));
}

#[test]
fn the_structure_of_a_large_document_is_no_obstacle() {
    let element = |number: usize| {
        format!(
            "{number} 0 obj<</Type/StructElem/S/P/P {} 0 R/K[0 1]>>endobj\n",
            number + 1
        )
    };
    let mut file: Vec<u8> = (100_000..500_000)
        .flat_map(|number| element(number).into_bytes())
        .collect();
    file.extend(sample());
    assert!(check(&file).is_ok());
}

#[test]
fn a_table_of_references_to_one_large_object_is_not_followed() {
    let mut file = b"%PDF-1.4\n".to_vec();
    let at = file.len();
    file.extend(format!("1 0 obj [{}", "0 ".repeat(500_000)).into_bytes());
    let table = file.len();
    file.extend(format!("\nxref\n0 200000\n{}", format!("{at:010} 00000 n \n").repeat(200_000)).into_bytes());
    file.extend(format!("trailer <</Size 200000/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n").into_bytes());
    assert!(check(&file).is_err());
}

#[test]
fn object_streams_with_overlapping_objects_are_not_read() {
    let header: String = (10..50_000).map(|number| format!("{number} 0 ")).collect();
    let content = format!("{header}[{}]", "0 ".repeat(200_000));
    let stream = format!(
        "1 0 obj <</Type/ObjStm/N 49990/First {}/Length {}>> stream\n{content}\nendstream endobj",
        header.len(),
        content.len()
    );
    assert!(check(stream.as_bytes()).is_err());
}

#[test]
fn fonts_that_share_a_large_map_are_read_once_each_within_bounds() {
    let (mut document, pages) = built(&[(0..200).map(|font| format!("BT /C{font} 9 Tf <0001> Tj ET ")).collect()]);
    let map = document.add_object(Stream::new(
        dictionary! {},
        b"1 beginbfchar <01> <41> endbfchar ".repeat(60_000),
    ));
    let mut fonts = lopdf::Dictionary::new();
    for number in 0..200 {
        let font = dictionary! {
            "Type" => "Font", "Subtype" => "Type0", "Encoding" => "Identity-H", "ToUnicode" => map,
            "DescendantFonts" => vec![Object::Dictionary(dictionary! { "Type" => "Font" })],
        };
        fonts.set(format!("C{number}"), document.add_object(font));
    }
    document
        .get_dictionary_mut(pages[0])
        .unwrap()
        .set("Resources", dictionary! { "Font" => fonts });
    let _: Result<_, _> = check(&saved(document));
}
