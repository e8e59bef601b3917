//! `multipart/form-data` (RFC 7578), read strictly: text fields without file names, exactly framed.

use super::message::Request;

/// The fields in their order, or what is wrong with the form.
pub(super) fn read(request: &Request) -> Result<Vec<(String, String)>, String> {
    let content_type = request.header("content-type").unwrap_or_default();
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .ok_or_else(|| format!("content-type is {content_type:?}, not multipart/form-data with a boundary"))?;
    let boundary = boundary.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(boundary);
    if boundary.is_empty() || boundary.len() > 70 {
        return Err("the boundary has not 1 to 70 characters (RFC 2046)".to_owned());
    }
    let body = std::str::from_utf8(&request.body).map_err(|_| "the form is not UTF-8")?;
    let opening = format!("--{boundary}\r\n");
    let body = body.strip_prefix(&opening).ok_or("the form does not begin with its boundary")?;
    let closing = format!("\r\n--{boundary}--");
    let body = body.strip_suffix("\r\n").unwrap_or(body);
    let body = body.strip_suffix(&closing).ok_or("the form does not end with its boundary")?;
    body.split(&format!("\r\n{opening}")).map(part).collect()
}

fn part(part: &str) -> Result<(String, String), String> {
    let (head, value) = part.split_once("\r\n\r\n").ok_or("a part has no empty line after its headers")?;
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, content) = line.split_once(": ").ok_or("a part has a header without a colon")?;
        match header.to_ascii_lowercase().as_str() {
            "content-disposition" => name = Some(field_name(content)?),
            "content-type" if content.starts_with("text/plain") => {}
            _ => return Err(format!("a part has the header {line:?}")),
        }
    }
    Ok((name.ok_or("a part has no content-disposition")?, value.to_owned()))
}

fn field_name(disposition: &str) -> Result<String, String> {
    disposition
        .strip_prefix("form-data; name=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|name| !name.contains('"'))
        .map(str::to_owned)
        .ok_or_else(|| format!("a part's content-disposition is {disposition:?}"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn form(content_type: &'static str, body: &'static str) -> Result<Vec<(String, String)>, String> {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let body = bytes::Bytes::from_static(body.as_bytes());
        read(&Request {
            method: Method::POST,
            path: "/".to_owned(),
            query: None,
            headers,
            body,
            connection: 1,
            client_certificate: None,
        })
    }

    #[test]
    fn a_form_keeps_values_as_they_are() {
        let fields = form(
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n x\n\r\n--b\r\nContent-Disposition: form-data; \
             name=\"c\"\r\n\r\nü&=\r\n--b--\r\n",
        );
        assert_eq!(fields, Ok(vec![("a".to_owned(), " x\n".to_owned()), ("c".to_owned(), "ü&=".to_owned())]));
    }

    #[test]
    fn each_departure_from_the_form_is_named() {
        let good = "multipart/form-data; boundary=b";
        for (content_type, body, complaint) in [
            ("application/x-www-form-urlencoded", "a=1", "content-type"),
            ("multipart/form-data", "", "content-type"),
            (good, "--c\r\n\r\n--c--", "does not begin"),
            (good, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\n", "does not end"),
            (good, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n1\r\n--b--", "no empty line"),
            (good, "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--", "content-disposition is"),
            (good, "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n--b--", "filename"),
            (good, "--b\r\nX-Odd: 1\r\n\r\n1\r\n--b--", "X-Odd"),
        ] {
            let error = form(content_type, body).unwrap_err();
            assert!(error.contains(complaint), "{error:?} does not name {complaint:?}");
        }
    }
}
