// A package with an assembly file may declare functions that are defined elsewhere.
