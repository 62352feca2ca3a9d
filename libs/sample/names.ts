// Words that invented people, schools and places are put together from. Nobody real is meant: any likeness is chance.
// Family names keep one spelling per folded form, because e-mail addresses are made from the folded form.

/** A list written compactly: one item between bars or line ends. */
function list(text: string): readonly string[] {
  return text.trim().split(/[|\n]/u);
}

export const givenNames = list(`
Aaliyah|Abigail|Adaeze|Agnieszka|Ahmed|Aisha|Alejandra|Amara|Amélie|Anders|Ángel|Anh|Antonio|Arjun|Ashley
Astrid|Ava|Beatriz|Benjamin|Bjørn|Camila|Carlos|Chiara|Chloë|Claire|Connor|Daniel|D'Andre|Darnell|Deepika
Diego|Dmitri|Ebony|Elena|Elijah|Emily|Émile|Esperanza|Ethan|Fatima|Fernando|Fiona|François|Gabriela|Grace
Hannah|Hiroshi|Ibrahim|Imani|Isabella|Jada|Jamal|Jasmine|Javier|Jean-Luc|Jesús|José|Joshua|Julia|Kaito
Kateřina|Keisha|Khadija|Kwame|Lakshmi|Lars|Latoya|Leilani|Liam|Lucía|Luis|Łukasz|Madison|Malik|Marcus
Margaret|María José|Mateo|Mei|Miguel|Minh|Mohammed|Nadia|Ngozi|Nguyên|Noah|Nora|Olivia|Omar|Othmane|Paolo
Priya|Quinn|Rachel|Rosa|Ryan|Saoirse|Sakura|Samuel|Santiago|Sean|Shanice|Sofía|Sophia|Søren|T'Keyah|Tariq
Thandiwe|Tomás|Tyler|Valentina|Vikram|Wei|William|Ximena|Yusuf|Zainab|Zoë|Владимир|美咲
`);

export const familyNames = list(`
Abdi|Abernathy|Acevedo|Adeyemi|Agarwal|Aguilar|Alvarado|Ångström|Arredondo|Baptiste|Barker|Begay|Bélanger
Bianchi|Blackwood|Björnsdóttir|Boateng|Brennan|Brûlé|Cárdenas|Carroll|Castañeda|Chaudhry|Chen|Clarke, Jr.
Cohen|Cruz|D'Angelo|Dąbrowski|Davenport|de la Cruz|Delgado|Diallo|Dubois|Dvořák|Eriksson|Espinoza|Farrell
Fernández|Fitzgerald|Fletcher|Fontaine|Gallagher|García-López|Goldberg|González|Greene|Guðmundsson
Gutiérrez|Haddad|Hale|Hassan|Henderson|Hernández|Hoàng|Holloway|Hughes|Ibarra|Ivanova|Jacobsen|Jaramillo
Johansson|Joshi|Kahananui|Kamara|Kapoor|Keita|Kim|Kowalczyk|Krüger|Laurent|Lê|Lindqvist|Lombardi|Lopes
MacLeod|Maldonado|Marchetti|Mbeki|McAllister|Medina|Mehta|Mendoza|Moreau|Müller|Muñoz|Murphy|Nakamura
Ndiaye|Nguyễn|Novák|Núñez|O'Brien|O'Connor|Okafor|Okonkwo|Olsen|Ortega|Osei|Özdemir|Park|Patel|Peña
Pereira|Petrov|Pham|Quintero|Rahman|Ramírez|Reyes|Robinson|Rojas|Rosenberg|Ruiz|Saar|Saint-Pierre|Sánchez
Santos|Sato|Schäfer|Schmidt|Shevchenko|Silva|Singh|Sørensen|Suárez|Suzuki|Takahashi|Tanaka|Thibodeaux
Torres|Tran|Tsosie|Tuiasosopo|Usman|Valdez|van der Berg|Vázquez|Villanueva|Volkov|Wójcik|Washington
Whitaker|Williams|Wong|Yamamoto|Yazzie|Yılmaz|Young|Zając|Zamora|Zhang|Zielińska|Zimmermann|Zuniga|Żuraw
`);

/** What a person is called by; one pair of double quotes, because exports have them. */
export const preferredNames = list(`
Alex|Bee|Charlie|DJ|Frankie|Jo "JJ"|Lex|Max|Nico|Sam|Tay|Zee
`);

export const pronouns = ["she/her", "he/him", "they/them", ""] as const;

export const placeNames = list(`
Alder Creek|Bayview|Cedar Hollow|Clearwater|Coyote Ridge|Dogwood|Eagle Point|Elm Grove|Fairhaven|Foxglove
Granite Falls|Harbor Hill|Hawthorne|Heron Lake|Juniper Flats|Kingfisher|La Cañada Vieja|Larkspur|Lone Pine
Maplewood|Meadowbrook|Mill Pond|Mockingbird|North Fork|O'Malley Road|Old Orchard|Peña Blanca|Pine Bluff
Quail Run|Red Mesa|River Bend|Rolling Hills|Saint Brendan's|Sandstone|Silver Birch|Stonebridge|Sycamore
Tidewater|Willow Bend|Windmill
`);

export const cities = list(`
Ashford|Brookside|Cañon Verde|Dry Fork|Eastport|Fernley Springs|Glenhaven|Hartsel|Iron Lake|Jasper Gap
`);

/** A course of study by period of the day: title, subject and SCED subject code. Period 0 is the homeroom. */
export const subjects = [
  { title: "Homeroom", subject: "Miscellaneous", code: "22106" },
  { title: "English Language Arts", subject: "English Language and Literature", code: "01028" },
  { title: "Mathematics", subject: "Mathematics", code: "02031" },
  { title: "Science", subject: "Life and Physical Sciences", code: "03231" },
  { title: "History, Geography & Civics", subject: "Social Sciences and History", code: "04431" },
  { title: "Physical Education", subject: "Physical Health and Safety Education", code: "08001" },
  { title: "Art", subject: "Fine and Performing Arts", code: "05154" },
  { title: "Music", subject: "Fine and Performing Arts", code: "05101" },
  { title: 'Makers\' Lab "Build It"', subject: "Engineering and Technology", code: "21052" },
] as const;

export const resourceTitles = list(`
Reading Studio|Number Sense|Lab Notebook|Atlas Explorer|Phonics Path|Code Garden|Civics Today|Music Maker
Writers' Workshop|Fractions, Step by Step|World Languages|The "Why" of Science
`);

/** The letters and digits of a name, for addresses: folded to ASCII, lower case; `fallback` where nothing is left. */
export function folded(name: string, fallback: string): string {
  const letters = name
    .replaceAll(/[łŁ]/gu, "l")
    .replaceAll(/[øØ]/gu, "o")
    .replaceAll("ı", "i")
    .replaceAll(/[ðÐ]/gu, "d")
    .normalize("NFD");
  const plain = letters.toLowerCase().replaceAll(/[^a-z0-9]/gu, "");
  return plain === "" ? fallback : plain;
}
