"""The ground floor: the values passed between stages, and, once each, the rules that several stages need."""
