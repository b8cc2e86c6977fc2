"""The ground floor: the values that travel, and each rule that more than one stage needs, once."""
