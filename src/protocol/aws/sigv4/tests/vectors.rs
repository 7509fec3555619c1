//! The vectors that AWS publishes for signers: every request that is signed with a normalised path, in both forms.

use super::support::{KEY_ID, Request, Verdict};
use serde::Deserialize;

const SCOPE: &str = "20150830/us-east-1/service/aws4_request";

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    signed_headers: String,
    signature: String,
    presigned: Presigned,
}

#[derive(Deserialize)]
struct Presigned {
    signed_headers: String,
    signature: String,
    /// As it stands in the query.
    security_token: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).expect("the fixture's form");
    assert_eq!(vectors.len(), 31);
    vectors
}

impl Vector {
    fn request(&self) -> Request {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
        Request {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers,
            body: self.body.clone().into_bytes(),
        }
    }

    fn signed(&self) -> Request {
        let (signed_headers, signature) = (&self.signed_headers, &self.signature);
        self.request().with_header(
            "Authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, SignedHeaders={signed_headers}, Signature={signature}"
            ),
        )
    }

    fn presigned(&self) -> Request {
        let mut request = self.request();
        request.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("x-amz-"));
        let mut parameters = vec![
            "X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
            format!("X-Amz-Credential={KEY_ID}/{SCOPE}").replace('/', "%2F"),
            "X-Amz-Date=20150830T123600Z".to_owned(),
            format!("X-Amz-SignedHeaders={}", self.presigned.signed_headers.replace(';', "%3B")),
            "X-Amz-Expires=3600".to_owned(),
        ];
        parameters.extend(self.presigned.security_token.iter().map(|token| format!("X-Amz-Security-Token={token}")));
        parameters.push(format!("X-Amz-Signature={}", self.presigned.signature));
        parameters.splice(0..0, (!self.query.is_empty()).then(|| self.query.clone()));
        request.query = parameters.join("&");
        request
    }
}

#[test]
fn every_vector_verifies_by_its_header() {
    for vector in vectors() {
        assert_eq!(vector.signed().verify(), Verdict::Holds, "{}", vector.name);
    }
}

#[test]
fn every_vector_verifies_by_its_query() {
    for vector in vectors() {
        assert_eq!(vector.presigned().verify(), Verdict::Holds, "{}", vector.name);
    }
}

#[test]
fn a_security_token_may_be_added_to_a_link_after_it_was_signed() {
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector.name == "get-vanilla").expect("a link without a token");
    let mut request = vector.presigned();
    request.query.push_str("&X-Amz-Security-Token=a%2Bb");
    assert_eq!(request.verify(), Verdict::Holds);
}
