//! The name of a policy by what it says: SHA-256 of its canonical form.
//!
//! The canonical form is the tree of the file with everything that it includes, as JSON without spaces and with sorted keys.
//! Comments, layout, order, YAML or TOML, and how rules are spread over files make no difference. `${NAME}` stays as it is
//! written: so the policy in the repository and the one that is enforced have one name, whatever the environment.

use aws_lc_rs::digest::{SHA256, digest};

use crate::document::{Key, Node, Value};

/// The digest of a policy whose includes are resolved, in hexadecimal.
pub(crate) fn of(root: &Node) -> String {
    let mut text = String::new();
    write(root, &mut text);
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null | Value::Refused => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&value.to_string()),
        Value::Text(text) => quote(text, out),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let mut sorted: Vec<&(Key, Node)> = entries.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            out.push('{');
            for (at, (key, node)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(&key.text, out);
                out.push(':');
                write(node, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use crate::{Entry, Files, compile_with};

    const WHOLE: &str = "version: 1\nissuers: {a: {issuer: \"https://${HOST}\", audience: b}}\npermissions: [read]\n\
        rules: {GET /a/x: read, GET /b: public}\n";

    #[derive(Debug)]
    struct One;

    impl Files for One {
        fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
            Ok(b"base: /a\nrules: {GET /x: read}\n".to_vec())
        }

        fn entries(&self, _: &str) -> std::io::Result<Vec<Entry>> {
            Ok(vec![Entry { name: "a.yaml".to_owned(), is_directory: false }])
        }
    }

    fn digest(name: &str, text: &str, host: &str) -> String {
        let env = |name: &str| (name == "HOST").then(|| host.to_owned());
        compile_with(name, text.as_bytes(), &env, &One)
            .unwrap_or_else(|e| panic!("{}", e.render(false)))
            .digest
    }

    #[test]
    fn form_order_files_and_environment_make_no_difference_and_everything_else_does() {
        let whole = digest("orgate.yaml", WHOLE, "i.example");
        assert!(whole.len() == 64 && whole.bytes().all(|b| b.is_ascii_hexdigit()), "{whole}");
        let same = [
            ("orgate.yaml", WHOLE.replace("GET /a/x: read, GET /b: public", "GET /b: public, \"GET /a/x\": read")),
            ("orgate.yaml", format!("# a comment\n{WHOLE}")),
            ("orgate.yaml", format!("include: [a.yaml]\n{}", WHOLE.replace("GET /a/x: read, ", ""))),
            (
                "orgate.toml",
                "version = 1\npermissions = [\"read\"]\n[issuers.a]\nissuer = \"https://${HOST}\"\naudience = \"b\"\n\
                 [rules]\n\"GET /a/x\" = \"read\"\n\"GET /b\" = \"public\"\n"
                    .to_owned(),
            ),
        ];
        for (name, text) in same {
            assert_eq!(digest(name, &text, "j.example"), whole, "{text}");
        }
        for (old, new) in [("GET /b", "GET /c"), ("audience: b", "audience: c"), ("public}", "read}")] {
            assert_ne!(digest("orgate.yaml", &WHOLE.replace(old, new), "i.example"), whole, "{new}");
        }
    }
}
