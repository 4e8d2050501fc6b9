"""The paper's network: Fig. 3, Table 1, Eq. 1 and 2."""
