//! Kubernetes objects as YAML: which they are, and where. Their values are not read.

use crate::{View, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesObject {
    /// `kubevirt.io/v1`.
    pub api_version: Option<Spanned<String>>,
    /// `VirtualMachine`, `Pod`.
    pub kind: Option<Spanned<String>>,
}

/// The objects of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesYaml {
    /// In the order of the text.
    pub objects: Vec<KubernetesObject>,
}

impl View for KubernetesYaml {
    const KIND: Kind = Kind::new("kubernetes_yaml");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["apiVersion:", "spec:", "metadata:"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut objects = vec![KubernetesObject::default()];
        for (number, line) in lines(text) {
            let Some(object) = objects.last_mut() else { break };
            // Objects of a List are indented; the first of their keys has a dash.
            let key = line.trim_start().trim_start_matches("- ");
            if line.trim_end() == "---" {
                objects.push(KubernetesObject::default());
            } else if let Some(value) = key.strip_prefix("apiVersion:") {
                let value = Spanned::new(value.trim().trim_matches(['"', '\'']).to_owned(), number);
                if object.api_version.is_some() {
                    objects.push(KubernetesObject { api_version: Some(value), kind: None });
                } else {
                    object.api_version = Some(value);
                }
            } else if let Some(value) = key.strip_prefix("kind:")
                && object.kind.is_none()
            {
                object.kind = Some(Spanned::new(value.trim().trim_matches(['"', '\'']).to_owned(), number));
            }
        }
        objects.retain(|object| object.api_version.is_some());
        (Self { objects }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has =
            |key: &str| having(head, key).any(|line| line.trim_start().trim_start_matches("- ").starts_with(key));
        match (has("apiVersion:") && has("kind:"), name.ends_with(".yaml") || name.ends_with(".yml")) {
            (true, _) => 92,
            (false, true) if has("spec:") || has("metadata:") => 60,
            (false, true) => 20,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects() {
        let text = "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec:\n  x: 1\n---\nkind: \"Pod\"\napiVersion: v1\n";
        let (view, _) = KubernetesYaml::read(text);
        let kinds: Vec<_> = view.objects.iter().filter_map(|object| object.kind.clone()).collect();
        assert_eq!(kinds, [Spanned::new("VirtualMachine".to_owned(), 2), Spanned::new("Pod".to_owned(), 6)]);
        assert_eq!(KubernetesYaml::recognise("x", text), 92);
        assert_eq!(KubernetesYaml::recognise("x", "kind: of\n"), 0);
    }
}
