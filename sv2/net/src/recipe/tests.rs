use super::*;

/// The reference implementation's pool, as its recipe would be written.
const SRI_POOL: &str = r#"
name = "sri-pool"
command = ["pool_sv2", "-c", "${file.pool.toml}"]
needs = ["template-provider"]

[listens.miners]
authority = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"

[[file]]
name = "pool.toml"
text = """
authority_public_key = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
listen_address = "${miners}"

[template_provider_type.Sv2Tp]
address = "${template-provider}"
"""

[ready]
listen = "miners"
by = "setup"
protocol = "mining"

[hooks]
new-block = ["sh", "-c", "generate ${directory}"]
"#;

#[test]
fn the_pool_of_the_reference_implementation_has_a_recipe() {
    let recipe = Recipe::parse("sri-pool.toml", SRI_POOL).unwrap();

    assert_eq!(recipe.name(), "sri-pool");
    assert_eq!(recipe.needs(), [Need::TemplateProvider]);
    assert!(recipe.has_hook(Hook::NewBlock) && recipe.has_hook(Hook::Restart));
    assert!(!recipe.has_hook(Hook::Reorg));
}

#[test]
fn a_wrong_recipe_names_the_place_and_what_was_meant() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = SRI_POOL.replacen(from, to, 1);
        assert_ne!(text, SRI_POOL, "{from:?} does not stand in the recipe");
        let error = Recipe::parse("a.toml", &text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };

    check("command =", "comand =", "a.toml:3:1: unknown field `comand`, expected one of `name`");
    check(
        "[\"template-provider\"]",
        "[\"template-provder\"]",
        "a.toml:4:10: unknown variant `template-provder`, expected one of",
    );
    check(
        "\"${miners}\"",
        "\"${minors}\"",
        "a.toml:11:8: ${minors} stands for nothing; did you mean \"miners\"?",
    );
    check(
        "listen = \"miners\"",
        "listen = \"miner\"",
        "a.toml:20:10: nothing in `listens` is called \"miner\"; did you mean \"miners\"?",
    );
    check(
        "protocol = \"mining\"",
        "",
        "a.toml:20:10: `by = \"setup\"` and only that takes a `protocol`",
    );
    check(
        "name = \"pool.toml\"",
        "name = \"../pool.toml\"",
        "a.toml:10:8: the name of a file is a name and not a path",
    );
    check("authority = \"9auq", "authority = \"8auq", "a.toml:7:13: authority \"8auqWEzQ");
    check("new-block = [", "new-blok = [", "a.toml:25:1: unknown variant `new-blok`, expected one");
    check(
        "[\"pool_sv2\", \"-c\", \"${file.pool.toml}\"]",
        "[]",
        "a.toml:3:1: the command is empty",
    );
}

#[test]
fn a_suggestion_follows_a_misspelt_field_and_variant() {
    for (from, to, hint) in [
        ("command =", "comand =", "; did you mean \"command\"?"),
        (
            "[\"template-provider\"]",
            "[\"template-provder\"]",
            "; did you mean \"template-provider\"?",
        ),
    ] {
        let error = Recipe::parse("a.toml", &SRI_POOL.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().ends_with(hint), "{error}");
    }
}

#[test]
fn a_file_beside_the_recipe_is_read_and_checked_with_its_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let recipe = directory.path().join("recipe.toml");
    let template = directory.path().join("pool.toml.in");
    std::fs::write(
        &recipe,
        "name = \"a\"\ncommand = [\"a\"]\nlisten.x = {}\n[[file]]\nname = \"b\"\nfrom = \"pool.toml.in\""
            .replace("listen.x", "listens.x"),
    )
    .unwrap();

    std::fs::write(&template, "address = ${x.port}\n").unwrap();
    let good = Recipe::read(&recipe).unwrap();
    std::fs::write(&template, "\naddress = ${y}\n").unwrap();
    let bad = Recipe::read(&recipe).unwrap_err();

    assert!(good.files[0].text.as_ref().unwrap().get_ref().contains("${x.port}"));
    let expected = format!("{}:2:11: ${{y}} stands for nothing", template.display());
    assert!(bad.to_string().starts_with(&expected), "{bad}");
}
