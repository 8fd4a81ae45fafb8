"""Invented names, streets and towns: enough shapes of name to trip a careless reader.

Nobody here exists; addresses of e-mail end in the reserved `example` domains (RFC 2606), telephone
numbers lie in the range kept for fiction (555-0100 to 555-0199).
"""

FIRST_NAMES = (
    "Ada", "Zoë", "Łukasz", "Mireille", "Nguyễn", "José", "Søren", "Aoife", "Ngozi", "Hiroko",
    "Tomás", "Renée", "Jürgen", "Ximena", "Oluwaseun", "Siân", "Dmytro", "Yara", "Kofi", "Ingrid",
    "Béla", "Chloé", "Mateo", "Priya", "Ewa", "Liang", "Fatma", "Noor", "Émile", "Ruth",
)  # fmt: skip

MIDDLE_NAMES = (None, None, None, "J.", "María", None, "van der", None, "Ann", None)

LAST_NAMES = (
    "Brightwater", "O'Shaughnessy", "Nowak", "Delacroix", "Thị Hoa", "Núñez", "Kjærgård",
    "Ní Dhomhnaill", "Okonkwo-Bell", "Tanaka", "Ferreira", "Beauséjour", "Müller", "Quintanilla",
    "Adeyemi", "ap Rhys", "Shevchenko", "Haddad", "Mensah", "Åkesson", "Szabó", "Lefèvre",
    "De la Cruz", "Raghunathan", "Wójcik", "Zhào", "Şahin", "El-Amin", "Saint-Clair", "Ash",
)  # fmt: skip

STAFF_NAMES = (
    ("Marguerite", "Holloway"), ("Tobias", "Ferncastle"), ("Ione", "Petrakis"),
    ("Desmond", "Achterberg"), ("Solveig", "Larkspur"), ("Ravi", "Coldbrook"),
    ("Beatriz", "Montclair"), ("Gus", "Underhill"), ("Anouk", "Wetherby"), ("Percy", "Vance"),
)  # fmt: skip

STREETS = ("Juniper Bend", "Lantern Row", "Saltmarsh Quay", "Old Mill Lane")
