//! What a file of the console is. With `nosniff` a browser takes nothing for a script or a style sheet but what is said to be one.

/// For `Content-Type`, by the end of its name. What is not among these is offered as a download.
pub(super) fn of(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_type_is_known_by_the_end_of_the_name() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/index-B1x.y.js", "text/javascript; charset=utf-8"),
            ("assets/inter-latin.woff2", "font/woff2"),
            ("manifest.webmanifest", "application/manifest+json"),
            ("assets/strange", "application/octet-stream"),
            ("assets.js/none", "application/octet-stream"),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
