//! What `CloudFormation` makes of a template: conditions, references and texts filled in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A template with its parameters.
pub struct Stack<'t> {
    template: &'t Value,
    names: BTreeMap<String, String>,
}

impl<'t> Stack<'t> {
    /// The parameters given, else their defaults; the account and region of the tests.
    pub fn new(template: &'t Value, account: &str, given: &[(&str, &str)]) -> Self {
        let mut names = BTreeMap::from([
            ("AWS::AccountId".to_owned(), account.to_owned()),
            ("AWS::Partition".to_owned(), "aws".to_owned()),
            ("AWS::Region".to_owned(), "us-east-2".to_owned()),
        ]);
        for (name, parameter) in template["Parameters"].as_object().expect("parameters") {
            let value = given.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
            let value = value.or_else(|| parameter["Default"].as_str());
            names.insert(name.clone(), value.unwrap_or_else(|| panic!("{name} is not given")).to_owned());
        }
        Self { template, names }
    }

    /// A property of the template's one role.
    pub fn role(&self, property: &str) -> Value {
        self.resolve(&self.template["Resources"]["Role"]["Properties"][property]).expect("a value")
    }

    /// `None` is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(members) if members.len() == 1 => self.function(members),
            Value::Object(members) => Some(Value::Object(self.members(members))),
            other => Some(other.clone()),
        }
    }

    fn members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        members.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?))).collect()
    }

    fn function(&self, members: &Map<String, Value>) -> Option<Value> {
        let (name, argument) = members.iter().next().expect("one member");
        match name.as_str() {
            "Ref" if argument == "AWS::NoValue" => None,
            "Ref" => Some(self.names[argument.as_str().expect("a name")].clone().into()),
            "Fn::Sub" => Some(self.filled(argument.as_str().expect("a text")).into()),
            "Fn::If" => {
                let branch = if self.holds(argument[0].as_str().expect("a condition")) { 1 } else { 2 };
                self.resolve(&argument[branch])
            }
            _ => Some(Value::Object(self.members(members))),
        }
    }

    fn filled(&self, text: &str) -> String {
        let text = self
            .names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
        text.replace("${!", "${")
    }

    fn holds(&self, condition: &str) -> bool {
        let value = &self.template["Conditions"][condition];
        assert!(value.is_object(), "no condition {condition}");
        self.is_true(value)
    }

    fn is_true(&self, condition: &Value) -> bool {
        let (name, argument) = condition.as_object().expect("a condition").iter().next().expect("one member");
        let mut each = argument.as_array().into_iter().flatten();
        match name.as_str() {
            "Condition" => self.holds(argument.as_str().expect("a name")),
            "Fn::Not" => !each.any(|one| self.is_true(one)),
            "Fn::And" => each.all(|one| self.is_true(one)),
            "Fn::Or" => each.any(|one| self.is_true(one)),
            "Fn::Equals" => self.resolve(&argument[0]) == self.resolve(&argument[1]),
            other => panic!("no condition is made by {other}"),
        }
    }
}
